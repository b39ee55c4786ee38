"""The cost of a hundred times as many entries in L3: throughput, memory, and time to start."""

from __future__ import annotations

from tests.bench import l3_memory
from tests.bench.http import LOAD, SERVER, Measured, compare
from tests.bench.load import say, sidecar
from tests.bench.memory import mset

FEW, MANY = 10_000, 1_000_000
AT_ONCE = 1000
CONFIG = "tiers: {l3: {max_entries: 2000000, max_bytes: 4GiB}}\n"


def run() -> None:
    throughput()
    l3_memory.run()


def throughput() -> None:
    """Keys that are only in L3: the same few in both, then any of the many."""
    with (
        sidecar(SERVER, LOAD, config=CONFIG) as few,
        sidecar(SERVER, LOAD, config=CONFIG) as many,
    ):
        for server, count in ((few, FEW), (many, MANY)):
            for start in range(0, count, AT_ONCE):
                mset(server, start, [b"v" * 256] * AT_ONCE)
        say(f"{MANY} keys against {FEW}")
        for name, keys in (("of the same few", FEW), ("of any", MANY)):
            ours = Measured(many, LOAD, "bench", keys, 16)
            compare(f"GET {name}", ours, Measured(few, LOAD, "bench", FEW, 16), 0.9)
