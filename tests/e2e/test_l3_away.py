"""L3 goes away and comes back: nothing that was answered before is lost, and nothing that was
replaced or deleted meanwhile comes back.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartSidecar
from tests.documents.kubelet import Mount
from tests.running import RunningSidecar, wait_until

COUNT = 300
GONE = range(0, COUNT, 3)
"""The keys that are deleted, or replaced, while L3 is away."""
TINY = "tiers: {l1: {max_entries: 5}, l2: {max_entries: 5}}\n"
"""Memory that holds next to nothing, so that what is read comes from L3."""


def fill(sidecar: RunningSidecar) -> None:
    for number in range(COUNT):
        assert sidecar.put(f"key{number}", b"old %d" % number).tier == "l3"


def change(sidecar: RunningSidecar) -> None:
    """Delete a third of the keys, every other one of which is then put again; all without L3."""
    for number in GONE:
        sidecar.ask("DELETE", f"/v1/cache/test/key{number}")
        if number % 2:
            assert sidecar.put(f"key{number}", b"new").tier == "memory"


def check(sidecar: RunningSidecar) -> None:
    """What was not changed is there, and what was changed is not what it was."""
    wait_until(lambda: state(sidecar) == "up", "L3 is back", 60)
    for number in range(COUNT):
        answer = sidecar.get(f"key{number}")
        if number not in GONE:
            assert answer.body == b"old %d" % number, number
        else:
            assert answer.status == 404 or answer.body == b"new", number


def state(sidecar: RunningSidecar) -> str:
    return str(sidecar.stats()["l3"]["state"])


def kill_child(sidecar: RunningSidecar) -> None:
    child = sidecar.child
    if child is not None:
        os.kill(child, signal.SIGKILL)
        wait_until(lambda: sidecar.child != child, "it is gone")


def let_crash(sidecar: RunningSidecar) -> None:
    """Kill L3 until the sidecar goes on without it."""
    while state(sidecar) != "down":
        wait_until(
            lambda: sidecar.child is not None or state(sidecar) == "down", "there is a child"
        )
        kill_child(sidecar)


@pytest.fixture
def small(start_sidecar: StartSidecar, tmp_path: Path) -> RunningSidecar:
    """A sidecar with next to no memory, and values in L3."""
    config = Mount(tmp_path / "config")
    config.publish({"cache.yaml": TINY})
    sidecar = start_sidecar("--config", str(config.path))
    fill(sidecar)
    return sidecar


def test_three_kills_cost_nothing(small: RunningSidecar) -> None:
    """A process that is killed is no proof against its data."""
    let_crash(small)
    change(small)
    check(small)


@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_what_was_missed_outlives_the_sidecar(small: RunningSidecar, end: str) -> None:
    """It is on the volume before it is answered, and the next process applies it."""
    let_crash(small)
    change(small)
    small.kill_both() if end == "killed" else small.stop()
    small.start()
    check(small)
    small.kill_both()
    small.start()
    check(small)


def test_invalidations_are_missed_too(small: RunningSidecar) -> None:
    """All keys below a prefix."""
    let_crash(small)
    small.ask("POST", "/v1/invalidate", b'{"namespace": "test", "prefix": "key1"}')
    small.kill_both()
    small.start()
    wait_until(lambda: state(small) == "up", "L3 is back")
    assert small.get("key17").status == 404
    assert small.get("key2").body == b"old 2"


def test_switched_off_killed_and_switched_on(start_sidecar: StartSidecar, tmp_path: Path) -> None:
    """Also what a document does."""
    config = Mount(tmp_path / "config")
    config.publish({"cache.yaml": TINY})
    sidecar = start_sidecar("--config", str(config.path))
    fill(sidecar)
    config.publish({"cache.yaml": TINY[:-2] + ", l3: {enabled: false}}\n"})
    wait_until(lambda: state(sidecar) == "down", "L3 is off")
    change(sidecar)
    sidecar.kill_both()
    sidecar.start()
    config.publish({"cache.yaml": TINY})
    check(sidecar)


def test_more_than_the_record_holds_empties_l3(small: RunningSidecar) -> None:
    """A cache may forget, and may not lie."""
    let_crash(small)
    for start in range(0, 3000, 250):
        keys = ",".join(f'"{number}-{"k" * 900}"' for number in range(start, start + 250))
        body = b'{"namespace": "other", "keys": [%b]}' % keys.encode()
        assert small.ask("POST", "/v1/mdelete", body).status == 200
    small.ask("DELETE", "/v1/cache/test/key0")
    small.kill_both()
    small.start()
    wait_until(lambda: state(small) == "up", "L3 is back")
    assert [small.get(f"key{number}").status for number in range(4)] == [404] * 4
    assert small.put("key0", b"new").tier == "l3"


# ---- two sidecars on one folder


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """All files, with size and time of change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.stat()
        found[str(path)] = (status.st_size, status.st_mtime_ns)
    return found


def test_a_second_sidecar_writes_nothing_to_the_folder(
    start_sidecar: StartSidecar, sidecar: RunningSidecar
) -> None:
    """Neither while it runs nor when it ends, and the first one's next start has everything."""
    fill(sidecar)
    sidecar.signal(signal.SIGSTOP)
    child = sidecar.child
    assert child is not None
    os.kill(child, signal.SIGSTOP)
    before = files(sidecar.data_dir)
    second = start_sidecar(data_dir=sidecar.data_dir)
    assert second.put("key1", b"second").tier == "memory"
    second.ask("DELETE", "/v1/cache/test/key2")
    assert b"in use by another process" in second.ops("/readyz").body
    second.stop()
    assert files(sidecar.data_dir) == before
    os.kill(child, signal.SIGCONT)
    sidecar.signal(signal.SIGCONT)
    sidecar.stop()
    sidecar.start()
    wait_until(lambda: state(sidecar) == "up", "L3 is open")
    assert [sidecar.get(f"key{n}").body for n in range(COUNT)] == [
        b"old %d" % n for n in range(COUNT)
    ]


def test_pods_that_overlap(start_sidecar: StartSidecar, small: RunningSidecar) -> None:
    """The new one takes the folder over when the old one ends, with all but what it changed."""
    new = start_sidecar(*small.flags, data_dir=small.data_dir)
    assert state(new) == "down"
    change(new)
    small.put("key1", b"old 1")  # L3 goes on meanwhile
    small.stop()
    check(new)
    assert new.put("key0", b"value").tier == "l3"


# ---- a volume that cannot be written


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    mounted = tmp_path / "volume"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", mounted], check=True)
    yield mounted
    subprocess.run(["umount", "--lazy", mounted], check=True)


def remount(volume: Path, how: str) -> None:
    """Make it read-only, also for files that are open: as after an error of the disk."""
    subprocess.run(["mount", "-o", f"remount,{how}", volume], check=True)


@pytest.fixture
def cut_off(start_sidecar: StartSidecar, tmp_path: Path, volume: Path) -> RunningSidecar:
    """A sidecar whose volume became read-only, and that has changed some keys since."""
    config = Mount(tmp_path / "config")
    config.publish({"cache.yaml": TINY})
    sidecar = start_sidecar("--config", str(config.path), data_dir=volume / "data")
    fill(sidecar)
    kill_child(sidecar)  # the volume is busy while it writes
    wait_until(lambda: _is_read_only(volume), "the volume is read-only")
    wait_until(lambda: state(sidecar) == "down", "it runs without L3")
    change(sidecar)
    return sidecar


def test_a_volume_that_is_read_only_for_a_while(cut_off: RunningSidecar, volume: Path) -> None:
    """What is missed is handed over when it can be written again."""
    assert b"cannot be recorded" in cut_off.ops("/readyz").body
    assert b"not writable" in cut_off.ops("/readyz").body
    remount(volume, "rw")
    check(cut_off)
    cut_off.stop()
    cut_off.start()
    check(cut_off)


def test_it_is_recorded_as_soon_as_that_is_possible(cut_off: RunningSidecar, volume: Path) -> None:
    """Also before the end, when L3 was not back in time."""
    remount(volume, "rw")
    assert cut_off.stop() == 0
    cut_off.start()
    check(cut_off)


def _is_read_only(volume: Path) -> bool:
    """Remount it, which fails as long as a file is open for writing."""
    done = subprocess.run(["mount", "-o", "remount,ro", volume], check=False, capture_output=True)
    return done.returncode == 0
