"""Throughput over HTTP against a bare aiohttp application, with the same pinning, in one run.

The peer answers the same 256 bytes from a dict, without the headers of the sidecar.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from tests.bench.load import Load, Running, peer, say, sidecar, wrk

ROUNDS = 5
BIG_L3 = "tiers: {l3: {max_entries: 2000000, max_bytes: 4GiB}}\n"
SERVER, LOAD = 0, 1


def run() -> None:
    with peer(SERVER) as bare, sidecar(SERVER, LOAD, config=BIG_L3) as ours:
        against_the_peer(bare, ours)
        l3_hits(ours, "two cores", 16)
        l3_hits(ours, "two cores, one connection", 1)
    with peer(SERVER) as bare, sidecar(SERVER, LOAD) as ours:
        compare("PUT while L3 is full and evicts", puts(ours, 100_000), puts(bare, 100_000), 0.75)
    with sidecar(SERVER, SERVER, config=BIG_L3) as ours:
        l3_hits(ours, "one core", 16, load=SERVER)


def against_the_peer(bare: Running, ours: Running) -> None:
    for server in (bare, ours):
        wrk(server, cpu=LOAD, method="PUT", seconds=2)
    compare("GET of an L1 hit", gets(ours), gets(bare), 1.0)
    compare("GET of a miss", gets(ours, "absent"), gets(bare, "absent"), 0.8)
    compare("PUT", puts(ours, 9_000), puts(bare, 9_000), 0.75)


def l3_hits(ours: Running, where: str, connections: int, load: int = LOAD) -> None:
    """Keys that are only in L3: a hundred times as many as memory holds."""
    wrk(ours, cpu=load, method="PUT", seconds=1)
    for _ in range(3):
        wrk(ours, cpu=load, method="PUT", namespace="deep", keys=50_000, seconds=5)
    hot = Measured(ours, load, "bench", 50, connections)
    deep = Measured(ours, load, "deep", 50_000, connections)
    compare(f"GET of an L3 hit against one of L1, {where}", deep, hot, 0.0)


@dataclass(frozen=True)
class Measured:
    """One side of a comparison; each call is one more run of it."""

    server: Running
    cpu: int
    namespace: str
    keys: int
    connections: int
    method: str = "GET"

    def __call__(self) -> Load:
        return wrk(
            self.server,
            cpu=self.cpu,
            namespace=self.namespace,
            keys=self.keys,
            connections=self.connections,
            method=self.method,
            seconds=3,
        )


def gets(server: Running, namespace: str = "bench") -> Measured:
    return Measured(server, LOAD, namespace, 100, 16)


def puts(server: Running, keys: int) -> Measured:
    return Measured(server, LOAD, "bench", keys, 16, "PUT")


def compare(what: str, ours: Measured, theirs: Measured, wanted: float) -> None:
    """Alternate both sides, and print the medians and the ratio of each pair."""
    pairs = [(ours(), theirs()) for _ in range(ROUNDS)]
    ratio = median(a.requests_per_second / b.requests_per_second for a, b in pairs)
    for name, loads in (("ours", [a for a, _ in pairs]), ("theirs", [b for _, b in pairs])):
        rate = median(load.requests_per_second for load in loads)
        p99 = median(load.p99 for load in loads)
        errors = sum(load.errors for load in loads)
        say(f"    {name:7} {rate:9.0f}/s  p99 {p99 * 1e3:6.2f} ms  not 2xx/3xx {errors}")
    aim = f" (at least {wanted})" if wanted else ""
    say(f"{what}: {ratio:.2f}{aim}")
