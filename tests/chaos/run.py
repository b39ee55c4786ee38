"""One run: load, faults one after the other, and a check of everything after each."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import redis
from tests.chaos.calls import over_tcp, over_unix
from tests.chaos.faults import CALM, FAULTS, LIMIT_BYTES, World
from tests.chaos.load import Worker
from tests.chaos.shim import Shim
from tests.documents.kubelet import Mount
from tests.e2e.container import Container
from tests.running import RunningSidecar, anonymous_bytes, wait_until

WORKERS = 3
"""The first one uses the Unix sockets."""
BACK_SECONDS = 60.0
"""How soon L3 serves again after a fault."""
BAD_FOR_LONG = ("volume", "writes fail", "read-only", "slow", "freeze", "stuck")
"""Faults during which an answer may take as long as they do."""


@dataclass
class Report:
    """What a run has seen."""

    seed: int
    operations: int = 0
    """Over HTTP."""
    commands: int = 0
    """Over the Redis protocol."""
    faults: Counter[str] = field(default_factory=Counter)
    unavailable: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    memory_bytes: list[int] = field(default_factory=list)
    """Of the sidecar's own process, after each fault."""
    is_limited: bool = False
    """Whether it ran in a control group with the limit of the chart."""

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: {self.operations:,} operations over HTTP, "
            f"{self.commands:,} over the Redis protocol, "
            f"{self.faults.total():,} faults of {len(self.faults)} kinds, "
            f"{len(self.violations)} violations",
            f"memory: {', '.join(f'{size / 2**20:.0f}' for size in self.memory_bytes)} MiB, "
            f"of {f'{LIMIT_BYTES >> 20} MiB' if self.is_limited else 'no limit'}",
        ]
        for fault, count in sorted(self.faults.items()):
            lines.append(f"  {fault}: {count}, {self.unavailable[fault]} without an answer or 503")
        return "\n".join([*lines, *self.violations])


def run(scratch: Path, seconds: float, seed: int, names: list[str] | None = None) -> Report:
    """Run for so long; `names` are the faults to choose from, in turn."""
    report, rng = Report(seed), random.Random(seed)
    data_dir = scratch / "data"
    shim, config = Shim(scratch, data_dir), Mount(scratch / "config")
    config.publish({"cache.yaml": CALM})
    unix, unix_resp = scratch / "socket", scratch / "resp"
    flags = (
        *("--config", str(config.path), "--log-level", "warning"),
        *("--data-socket", str(unix), "--resp-socket", str(unix_resp)),
    )
    container = Container(f"cache-sidecar-chaos-{os.getpid()}", scratch / "group", LIMIT_BYTES)
    report.is_limited = container.is_real
    wrapper = container.wrapper if container.is_real else ()
    sidecar = RunningSidecar(data_dir, flags, shim.environment, wrapper).start()
    world = World(sidecar, shim, config, container, rng)
    tcp = over_tcp(sidecar.port), redis.over_tcp(sidecar.resp_port)
    dials = [(over_unix(unix), redis.over_unix(unix_resp)), *[tcp] * (WORKERS - 1)]
    workers = [Worker(number, *dial, seed) for number, dial in enumerate(dials)]
    for worker in workers:
        worker.begin()
    end = time.monotonic() + seconds
    order: list[str] = []
    try:
        while time.monotonic() < end:
            if not order:
                order = list(names or FAULTS)
                rng.shuffle(order)
            _throw(order.pop(), world, workers, report)
    finally:
        for worker in workers:
            worker.finish()
            report.operations += worker.tally.operations
            report.commands += worker.tally.commands
            report.unavailable += worker.tally.unavailable
            report.violations += worker.tally.violations
        shim.heal()
        assert sidecar.process is not None
        sidecar.process.terminate()
        status, log = sidecar.wait()
        if container.kills:
            report.violations.append(f"{container.kills} were killed for want of memory")
        container.close()
    if status:
        report.violations.append(f"it ended with status {status}")
    if report.violations:
        report.violations.append(f"the log of its last life:\n{log}")
    return report


def _throw(name: str, world: World, workers: list[Worker], report: Report) -> None:
    """Throw one fault, wait until it is over, and check every key."""
    apply, keeps = FAULTS[name]
    report.faults[name] += 1
    for worker in workers:
        worker.fault = name
        worker.may_hang = any(word in name for word in BAD_FOR_LONG)
        if not keeps:
            worker.forget()
    time.sleep(world.rng.uniform(0.2, 0.6))
    if not keeps:
        for worker in workers:
            worker.forget()
    try:
        apply(world)
        wait_until(lambda: _is_up(world), f"L3 is back after {name!r}", BACK_SECONDS)
    except AssertionError as error:
        report.violations.append(f"{name}: {error}; {_readiness(world)}")
    with ExitStack() as paused:
        for worker in workers:
            paused.enter_context(worker.paused())
            if not keeps:
                worker.forget()
            worker.may_hang = False
            worker.check_all(complete=keeps)
    report.memory_bytes.append(anonymous_bytes(world.sidecar.pid))


def _readiness(world: World) -> str:
    try:
        return world.sidecar.ops("/readyz").body.decode()
    except OSError as error:
        return f"no answer to /readyz: {error}"


def _is_up(world: World) -> bool:
    assert world.sidecar.process is not None
    assert world.sidecar.process.poll() is None, "the sidecar has ended"
    try:
        return bool(world.sidecar.stats()["l3"]["state"] == "up")
    except OSError:
        return False
