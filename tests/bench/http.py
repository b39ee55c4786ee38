"""HTTP against a bare aiohttp application, with the same pinning, in one run.

The peer answers the same 256 bytes from a dict, without the headers of the sidecar. Compared are
operations per second of processor time, which noise spares: of all processes of a side, or of its
main process alone; and per second of wall clock where that is said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import psutil

from tests.bench.load import Load, Running, peer, say, sidecar, wrk

ROUNDS = 5
BIG_L3 = "tiers: {l3: {max_entries: 2000000, max_bytes: 4GiB}}\n"
SERVER, LOAD = 0, 1


def run() -> None:
    with peer(SERVER) as bare, sidecar(SERVER, LOAD, config=BIG_L3) as ours:
        against_the_peer(bare, ours)
        l3_hits(bare, ours)
    with sidecar(SERVER, LOAD, config=BIG_L3) as empty, sidecar(SERVER, LOAD) as full:
        compare("PUT while L3 evicts, against one without", puts(full, 100_000), puts(empty), 0.85)


def against_the_peer(bare: Running, ours: Running) -> None:
    for server in (bare, ours):
        wrk(server, cpu=LOAD, method="PUT", seconds=2)
    compare("GET of an L1 hit, 16 connections", gets(ours), gets(bare), 1.8)
    many = gets(ours, connections=256), gets(bare, connections=256)
    compare("GET of an L1 hit, 256 connections", *many, 2.3)
    compare("GET of a miss", gets(ours, "absent"), gets(bare, "absent"), 1.5)
    compare("PUT", puts(ours), puts(bare), 0.75)
    compare("PUT, by wall clock", puts(ours), puts(bare), 0.95, by=wall_clock)


def l3_hits(bare: Running, ours: Running) -> None:
    """Keys that are only in L3: a hundred times as many as memory holds."""
    for _ in range(3):
        wrk(ours, cpu=LOAD, method="PUT", namespace="deep", keys=50_000, seconds=5)
    deep = Measured(ours, LOAD, "deep", 50_000, 16)
    compare("GET of an L3 hit, main process", deep, gets(bare), 1.2, by=main_process)
    compare("GET of an L3 hit", deep, gets(bare), 0.8)
    alone = Measured(ours, LOAD, "deep", 50_000, 1)
    hot = gets(ours, connections=1)
    compare("GET of an L3 hit against one of L1, one connection", alone, hot, 0.0, by=wall_clock)


@dataclass(frozen=True)
class Outcome:
    """One run, and the processor time that the server took for it, in seconds."""

    load: Load
    main_seconds: float
    all_seconds: float


Rate = Callable[[Outcome], float]


def all_processes(outcome: Outcome) -> float:
    """Operations per second of processor time of all processes."""
    return outcome.load.requests / outcome.all_seconds


def main_process(outcome: Outcome) -> float:
    """Operations per second of processor time of the main process."""
    return outcome.load.requests / outcome.main_seconds


def wall_clock(outcome: Outcome) -> float:
    """Operations per second."""
    return outcome.load.requests_per_second


@dataclass(frozen=True)
class Measured:
    """One side of a comparison; each call is one more run of it."""

    server: Running
    cpu: int
    namespace: str
    keys: int
    connections: int
    method: str = "GET"

    def __call__(self) -> Outcome:
        before = processor_seconds(self.server)
        load = wrk(
            self.server,
            cpu=self.cpu,
            namespace=self.namespace,
            keys=self.keys,
            connections=self.connections,
            method=self.method,
            seconds=3,
        )
        main, child = (
            after - was for was, after in zip(before, processor_seconds(self.server), strict=True)
        )
        return Outcome(load, main, main + child)


def processor_seconds(server: Running) -> tuple[float, float]:
    """The processor time of the main process and of L3's, with all their threads."""
    used = [psutil.Process(pid).cpu_times() for pid in (server.pid, server.child) if pid]
    main, *child = (times.user + times.system for times in used)
    return main, sum(child)


def gets(server: Running, namespace: str = "bench", connections: int = 16) -> Measured:
    return Measured(server, LOAD, namespace, 100, connections)


def puts(server: Running, keys: int = 9_000) -> Measured:
    return Measured(server, LOAD, "bench", keys, 16, "PUT")


def compare(
    what: str, ours: Measured, theirs: Measured, wanted: float, by: Rate = all_processes
) -> None:
    """Alternate both sides, and print the medians and the ratio of each pair."""
    pairs = []
    for number in range(ROUNDS):
        first, second = (ours, theirs) if number % 2 else (theirs, ours)
        one, other = first(), second()
        pairs.append((one, other) if number % 2 else (other, one))
    ratio = median(by(a) / by(b) for a, b in pairs)
    for name, runs in (("ours", [a for a, _ in pairs]), ("theirs", [b for _, b in pairs])):
        rate = median(by(run) for run in runs)
        p50, p99 = median(run.load.p50 for run in runs), median(run.load.p99 for run in runs)
        errors = sum(run.load.errors for run in runs)
        say(
            f"    {name:7} {rate:9.0f}/s  p50 {p50 * 1e3:6.2f} ms  p99 {p99 * 1e3:6.2f} ms"
            f"  not 2xx/3xx {errors}"
        )
    aim = f" (at least {wanted})" if wanted else ""
    say(f"{what}: {ratio:.2f}{aim}")
