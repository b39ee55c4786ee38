"""`make bench`: measure against peers in the same run. `make bench ARGS="http memory"` for some.

The benchmarks print ratios, and do not pass or fail. Each part can be run alone:

    http       processor time and throughput against a bare aiohttp application
    slow-disk  L1 hits while every read and every log write of RocksDB takes 200 ms
    memory     memory of the idle and full processes, against the usage that they report
    engine     a tick of the optimizer with a hundred rules
    optimizer  L1 hits with the optimizer switched on against off
    metrics    L1 hits with metrics against the same with the counters compiled out
    reconfigure  a thousand documents from an API server under load, and their delays
    scale      a million keys in L3 against ten thousand, and two million in little memory

More, each with `python -m`:

    tests.bench.image            the container image: its size, and a start
    tests.bench.allocator        glibc's allocator against jemalloc
    tests.bench.space            L3's folder
    tests.bench.crash            kills
    tests.bench.optimizer TRACE  the effect of the optimizer on a trace
    tests.bench.dashboards       the dashboards over minutes of trials
"""

from __future__ import annotations

import sys

from tests.bench import engine, http, memory, metrics, optimizer, reconfigure, scale, slow_disk
from tests.bench.load import say

PARTS = {
    "http": http.run,
    "slow-disk": slow_disk.run,
    "memory": memory.run,
    "engine": engine.run,
    "optimizer": optimizer.run,
    "metrics": metrics.run,
    "reconfigure": reconfigure.run,
    "scale": scale.run,
}


def main(names: list[str]) -> None:
    for name in names or PARTS:
        say(f"--- {name}")
        PARTS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
