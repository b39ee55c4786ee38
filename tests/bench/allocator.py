"""A comparison of allocators: memory of both processes after a long run, and cost of requests.

    python -m tests.bench.allocator [ROUNDS [CYCLES]]

A run has a few cycles in which most values are small, then large, then mixed: each leaves holes
that the next one does not fit. The variants alternate, and the printed figures are medians. The
cost of a request is processor time of the sidecar's process, which varies less than the rate.
jemalloc is Debian's `libjemalloc2`, loaded before the C library.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.filling import MIB, SEED, mset
from tests.bench.load import say, wrk
from tests.bench.memory import used_bytes
from tests.bench.processes import cpu_seconds, rss
from tests.bench.servers import Running, Sidecar

JEMALLOC = f"/usr/lib/{sys.implementation._multiarch}/libjemalloc.so.2"
DECAY = "narenas:2,background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0"
VARIANTS: dict[str, Mapping[str, str]] = {
    "glibc": {},
    "glibc, no pymalloc": {"PYTHONMALLOC": "malloc"},
    "jemalloc": {"LD_PRELOAD": JEMALLOC},
    "jemalloc, 1 s": {"LD_PRELOAD": JEMALLOC, "MALLOC_CONF": DECAY},
    "jemalloc, 1 s, no pymalloc": {
        "LD_PRELOAD": JEMALLOC,
        "MALLOC_CONF": DECAY,
        "PYTHONMALLOC": "malloc",
    },
}
"""`1 s`: how soon it returns free memory."""
CONFIG = """
tiers:
  l1: {max_entries: 1000000, max_bytes: 20MiB}
  l2: {max_entries: 1000000, max_bytes: 30MiB}
  l3: {max_entries: 1000000, max_bytes: 64MiB}
"""
CYCLES = 2
PHASE_BYTES = 60 * MIB
PHASES: dict[str, Callable[[random.Random], int]] = {
    "small": lambda rng: int(64 * 2 ** rng.uniform(0, 6)),
    "large": lambda rng: int((16 << 10) * 2 ** rng.uniform(0, 6)),
    "mixed": lambda rng: int(64 * 2 ** rng.uniform(0, 14)),
}
BATCH = 500
SETTLE_SECONDS = 5.0


class Life(NamedTuple):
    """Bytes at the end of a run, and seconds of processor time per request."""

    idle_main: float
    idle_l3: float
    main: float
    l3: float
    used: float
    get: float
    put: float


def run(rounds: int = 3, cycles: int = CYCLES) -> None:
    variants = dict(VARIANTS)
    if not Path(JEMALLOC).exists():
        say(f"without jemalloc: {JEMALLOC} is not there (apt-get install libjemalloc2)")
        variants = {name: them for name, them in VARIANTS.items() if "LD_PRELOAD" not in them}
    lives: dict[str, list[Life]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, environment in variants.items():
            lives[name].append(live(environment, cycles))
    say(f"{'':27} idle: main + L3    after churn: main + L3   held     GET     PUT")
    for name, them in lives.items():
        life = Life(*(median(column) for column in zip(*them, strict=True)))
        say(
            f"{name:27} {life.idle_main / MIB:6.1f} + {life.idle_l3 / MIB:4.1f} MiB"
            f"   {life.main / MIB:10.1f} + {life.l3 / MIB:5.1f} MiB   {life.used / MIB:5.1f}"
            f"   {life.get * 1e6:3.0f} us  {life.put * 1e6:3.0f} us"
        )


def live(environment: Mapping[str, str], cycles: int) -> Life:
    """The seed is the same in all runs."""
    rng = random.Random(SEED)
    with Sidecar(cache=CONFIG, environment=tuple(environment.items())).running() as server:
        idle_main, idle_l3 = resident(server)
        key = 0
        for _ in range(cycles):
            for size_of in PHASES.values():
                key = churn(server, rng, key, size_of)
        time.sleep(SETTLE_SECONDS)
        main, l3 = resident(server)
        used = used_bytes(server)
        put, get = cost(server, "PUT"), cost(server, "GET")
        return Life(idle_main, idle_l3, main, l3, used, get, put)


def cost(server: Running, method: str) -> float:
    """Processor time per request, under load."""
    began = cpu_seconds(server.pid)
    load = wrk(server, method=method, seconds=3)
    return (cpu_seconds(server.pid) - began) / load.operations


def churn(
    server: Running, rng: random.Random, key: int, size_of: Callable[[random.Random], int]
) -> int:
    """Put values in batches of about 1 MiB; returns the next free key."""
    left = PHASE_BYTES
    while left > 0:
        batch: list[bytes] = []
        room = MIB
        while room > 0 and len(batch) < BATCH:
            # Half of it compresses, like text, so that the sizes of blocks in L2 differ from L1.
            size = size_of(rng)
            batch.append(rng.randbytes(size // 2) + bytes(size - size // 2))
            room -= size
        mset(server.port, batch, key)
        key += len(batch)
        left -= MIB - room
    return key


def resident(server: Running) -> tuple[float, float]:
    """The resident memory of both processes."""
    return rss(server.pid), rss(server.child) if server.child else 0.0


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
