"""The faults. Each is applied under load, lasts for a moment, and is healed by its end.

One file of more than 300 lines, since it is a list.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.shim import Shim
from tests.documents.kubelet import Mount
from tests.e2e.container import Container
from tests.running import RunningSidecar, wait_until

LIMIT_BYTES, LEAST_BYTES = 321 << 20, 128 << 20
"""Of the container: the chart's default, and what it is resized to for a moment."""
CALM = """
tiers: {l1: {max_entries: 20}, l2: {max_entries: 60}, l3: {max_entries: 100000}}
default_ttl: never
"""


@dataclass
class World:
    """What faults are thrown at."""

    sidecar: RunningSidecar
    shim: Shim
    config: Mount
    container: Container
    rng: random.Random

    def pause(self, least: float, most: float) -> None:
        time.sleep(self.rng.uniform(least, most))

    def publish(self, text: str) -> None:
        self.config.publish({"cache.yaml": text})

    @property
    def folder(self) -> Path:
        return self.sidecar.data_dir / "l3"


# ---- processes


def kill_l3(world: World) -> None:
    _send(world.sidecar.child, signal.SIGKILL)
    world.pause(0.2, 1.0)


def kill_l3_three_times(world: World) -> None:
    for _ in range(3):
        wait_until(lambda: world.sidecar.child, "there is a child", 30)
        _send(world.sidecar.child, signal.SIGKILL)
        world.pause(0.3, 0.5)


def kill_l3_until_it_is_given_up(world: World) -> None:
    give_up = time.monotonic() + 10.0
    while _state(world) != "down" and time.monotonic() < give_up:
        _send(world.sidecar.child, signal.SIGKILL)
        time.sleep(0.05)
    world.pause(0.5, 1.5)


def freeze_l3(world: World) -> None:
    child = world.sidecar.child
    _send(child, signal.SIGSTOP)
    world.pause(0.5, 3.0)
    _send(child, signal.SIGCONT)


def freeze_the_sidecar(world: World) -> None:
    world.sidecar.signal(signal.SIGSTOP)
    world.pause(0.2, 1.5)
    world.sidecar.signal(signal.SIGCONT)


def kill_the_sidecar(world: World) -> None:
    world.sidecar.signal(signal.SIGKILL)
    world.sidecar.wait()
    world.sidecar.start()


def kill_both(world: World) -> None:
    world.sidecar.kill_both()
    world.sidecar.start()


def kill_both_while_l3_is_away(world: World) -> None:
    kill_l3_until_it_is_given_up(world)
    kill_both(world)


def kill_both_several_times(world: World) -> None:
    for _ in range(3):
        kill_both(world)
        world.pause(0.0, 0.3)


def stop(world: World) -> None:
    assert world.sidecar.stop() == 0
    world.sidecar.start()


def stop_while_l3_is_away(world: World) -> None:
    kill_l3_until_it_is_given_up(world)
    stop(world)


def stop_in_a_hurry(world: World) -> None:
    world.sidecar.signal(signal.SIGTERM)
    with suppress(ProcessLookupError):
        world.sidecar.signal(signal.SIGTERM)
    world.sidecar.wait()
    world.sidecar.start()


def cut_the_power(world: World) -> None:
    """While everything is fsynced before it is answered."""
    world.publish(CALM + "durability: disk\n")
    world.pause(1.0, 2.0)
    world.sidecar.kill_both()
    world.shim.cut_power()
    world.sidecar.start()
    world.publish(CALM)


def hang_up(world: World) -> None:
    world.sidecar.signal(signal.SIGHUP)
    world.pause(0.1, 0.5)


# ---- documents


def l3_off_and_on(world: World) -> None:
    world.publish(CALM.replace("l3: {", "l3: {enabled: false, "))
    world.pause(1.0, 2.0)
    world.publish(CALM)


def small_memory(world: World) -> None:
    world.publish(
        CALM.replace("l1: {max_entries: 20}, l2: {max_entries: 60}", "l1: {max_entries: 1}")
    )
    world.pause(0.5, 1.5)
    world.publish(CALM)


def other_policies(world: World) -> None:
    for policy in world.rng.sample(["sieve", "s3fifo", "w_tinylfu", "lfu", "random"], 2):
        world.publish(CALM.replace("l2: {", f"l2: {{policy: {policy}, "))
        world.pause(0.3, 0.8)
    world.publish(CALM)


def durable_in_memory(world: World) -> None:
    world.publish(CALM + "durability: memory\n")
    world.pause(0.5, 1.5)
    world.publish(CALM)
    world.pause(0.3, 0.5)


def durable_on_disk(world: World) -> None:
    world.publish(CALM + "durability: disk\n")
    world.pause(0.5, 1.5)
    world.publish(CALM)


def a_bad_document(world: World) -> None:
    world.publish("tiers: {l1: {max_entries: many}}\n")
    world.pause(0.3, 1.0)
    world.publish(CALM)


# ---- the volume


def _failing(**faults: int) -> Callable[[World], None]:
    def apply(world: World) -> None:
        world.shim.set(**faults)
        world.pause(1.0, 4.0)
        world.shim.heal()

    return apply


read_only_volume = _failing(write_error=errno.EROFS)
full_volume = _failing(write_error=errno.ENOSPC)
writes_fail = _failing(write_error=errno.EIO)
slow_disk = _failing(delay_ms=200)
reads_fail = _failing(read_error=errno.EIO)


def read_only_and_l3_killed(world: World) -> None:
    world.shim.set(write_error=errno.EROFS)
    _send(world.sidecar.child, signal.SIGKILL)
    world.pause(2.0, 4.0)
    world.shim.heal()


def read_only_until_the_end(world: World) -> None:
    """It can be written again just before the sidecar stops."""
    world.shim.set(write_error=errno.EROFS)
    world.pause(2.0, 4.0)
    world.shim.heal()
    stop(world)


def reads_fail_and_l3_killed(world: World) -> None:
    world.shim.set(read_error=errno.EIO)
    _send(world.sidecar.child, signal.SIGKILL)
    world.pause(1.0, 3.0)
    world.shim.heal()


def slow_disk_and_l3_killed(world: World) -> None:
    world.shim.set(delay_ms=200)
    _send(world.sidecar.child, signal.SIGKILL)
    world.pause(1.0, 3.0)
    world.shim.heal()


def a_second_sidecar(world: World) -> None:
    first = world.sidecar
    second = RunningSidecar(first.data_dir, ("--config", str(world.config.path))).start()
    for number in range(20):
        second.ask("DELETE", f"/v1/cache/chaos0/key{number}")
        second.ask("PUT", f"/v1/cache/chaos0/key{number}", b"another")
    assert second.stop() == 0


# ---- the machine


def clock_ahead(world: World) -> None:
    world.shim.set(clock_seconds=30 * 86400)
    world.pause(0.5, 2.0)
    world.shim.heal()


def clock_behind(world: World) -> None:
    world.shim.set(clock_seconds=-3600)
    world.pause(0.5, 2.0)
    world.shim.heal()


def clock_behind_while_l3_is_stuck(world: World) -> None:
    child = world.sidecar.child
    _send(child, signal.SIGSTOP)
    world.shim.set(clock_seconds=-3600)
    world.pause(1.5, 3.0)
    world.shim.heal()
    _send(child, signal.SIGCONT)


def no_descriptors(world: World) -> None:
    pid = world.sidecar.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    opened = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (opened, before[1]))
    world.pause(0.5, 2.0)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def many_idle_connections(world: World) -> None:
    with ExitStack() as opened:
        for _ in range(400):
            with suppress(OSError):
                address = ("127.0.0.1", world.sidecar.port)
                opened.enter_context(socket.create_connection(address, timeout=1.0))
        world.pause(0.5, 1.0)


def large_values_at_once(world: World) -> None:
    """More than there is memory for, some of which are refused; 413 where the limit is low."""
    value = world.rng.randbytes(4 << 20)

    def use(number: int) -> None:
        path = f"/v1/cache/large/key{number % 8}"
        for method, body in (("PUT", value), ("GET", None)):
            with suppress(OSError):
                status = world.sidecar.ask(method, path, body).status
                assert status in {200, 201, 204, 404, 413, 503}, status

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(use, range(80)))


def less_memory(world: World) -> None:
    """The pod is resized in place. Until the sidecar knows, it may take what it had."""
    before = _largest_value(world)
    if not world.container.is_real:
        return
    with suppress(OSError):  # the kernel may refuse it: there is not enough that it can free
        world.container.resize(LEAST_BYTES)
        wait_until(lambda: _largest_value(world) < before, "the sidecar knows", 10)
    large_values_at_once(world)
    world.container.resize(LIMIT_BYTES)
    wait_until(lambda: _largest_value(world) == before, "it knows again", 10)


# ---- damage: whatever is left has to be current


def _damaging(pattern: str, how: Callable[[Path, random.Random], None]) -> Callable[[World], None]:
    def apply(world: World) -> None:
        world.sidecar.kill_both()
        files = [file for file in sorted(world.sidecar.data_dir.glob(pattern)) if file.is_file()]
        if files:
            how(world.rng.choice(files), world.rng)
        world.sidecar.start()

    return apply


def flip(file: Path, rng: random.Random) -> None:
    size = file.stat().st_size
    with file.open("r+b") as stream:
        for _ in range(min(size, 3)):
            at = rng.randrange(size)
            stream.seek(at)
            byte = stream.read(1)[0]
            stream.seek(at)
            stream.write(bytes([byte ^ (1 << rng.randrange(8))]))


def cut(file: Path, rng: random.Random) -> None:
    os.truncate(file, rng.randrange(file.stat().st_size + 1))


def zero(file: Path, rng: random.Random) -> None:
    size = file.stat().st_size
    at = rng.randrange(size + 1)
    with file.open("r+b") as stream:
        stream.seek(at)
        stream.write(bytes(min(4096, size - at)))


def delete(file: Path, _rng: random.Random) -> None:
    file.unlink()


HOW = {"flipped": flip, "cut": cut, "zeroed": zero, "deleted": delete}
WHAT = {
    "a log": "l3/*.log",
    "a table": "l3/*.sst",
    "the manifest": "l3/MANIFEST-*",
    "the witness": "l3/witness",
    "any file of L3": "l3/*",
    "a state file": "*.*",
}

KEEPS: list[Callable[[World], None]] = [
    *(kill_l3, kill_l3_three_times, kill_l3_until_it_is_given_up, freeze_l3, freeze_the_sidecar),
    *(kill_the_sidecar, kill_both, kill_both_while_l3_is_away, kill_both_several_times),
    *(stop, stop_while_l3_is_away, hang_up, cut_the_power),
    *(l3_off_and_on, small_memory, other_policies, durable_on_disk, a_bad_document),
    *(read_only_until_the_end, a_second_sidecar),
    *(clock_ahead, clock_behind, clock_behind_while_l3_is_stuck),
    *(no_descriptors, many_idle_connections, large_values_at_once, less_memory),
]
"""Faults after which everything that was answered as durable is still there."""
VOLUME = {
    "read-only volume": read_only_volume,
    "full volume": full_volume,
    "writes fail": writes_fail,
    "slow disk": slow_disk,
    "read-only and L3 killed": read_only_and_l3_killed,
    "slow disk and L3 killed": slow_disk_and_l3_killed,
}
UNREADABLE = {
    "reads fail": reads_fail,
    "reads fail and L3 killed": reads_fail_and_l3_killed,
}
LOSES: list[Callable[[World], None]] = [stop_in_a_hurry, durable_in_memory]

FAULTS: dict[str, tuple[Callable[[World], None], bool]] = {
    **{fault.__name__.replace("_", " "): (fault, True) for fault in KEEPS},
    **{name: (fault, True) for name, fault in VOLUME.items()},
    **{name: (fault, False) for name, fault in UNREADABLE.items()},
    **{fault.__name__.replace("_", " "): (fault, False) for fault in LOSES},
    **{
        f"{what} {how}": (_damaging(pattern, damage), False)
        for what, pattern in WHAT.items()
        for how, damage in HOW.items()
    },
}
"""By name: the fault, and whether everything that was answered as durable is there after it."""


def _send(pid: int | None, number: signal.Signals) -> None:
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _state(world: World) -> str:
    try:
        return str(world.sidecar.stats()["l3"]["state"])
    except OSError:
        return "unknown"


def _largest_value(world: World) -> int:
    return int(world.sidecar.stats()["max_value_bytes"])
