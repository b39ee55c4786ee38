"""The growth of L1 and L2 against their `used_bytes`: `python -m tests.bench.memory`."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from tests.bench.filling import MIB, SEED, mset
from tests.bench.load import say
from tests.bench.processes import rss
from tests.bench.servers import Running, Sidecar
from tests.bench.sides import stats_of

TIER_BYTES = 150 * MIB
SIZES = {
    "64 B": 64,
    "256 B": 256,
    "1 KiB": 1 << 10,
    "16 KiB": 16 << 10,
    "128 KiB": 128 << 10,
    "1 MiB": 1 << 20,
}
CONFIG = """
tiers:
  l1: {max_entries: 10000000, max_bytes: 75MiB}
  l2: {max_entries: 10000000, max_bytes: 75MiB, compression: COMPRESSION}
  l3: {enabled: false}
"""


def run() -> None:
    for name, size in SIZES.items():
        growth(name, partial(_always, size))
    growth("churn of 64 B to 1 MiB", _mixed)
    growth("the same, half packed", _mixed, packed=True)


def _always(size: int, _rng: random.Random) -> int:
    return size


def _mixed(rng: random.Random) -> int:
    return int(64 * 2 ** rng.uniform(0, 14))


def growth(name: str, size_of: Callable[[random.Random], int], *, packed: bool = False) -> None:
    """Fill both tiers, replace all of it twice, and compare with the kernel's figures.

    If values are `packed`, half of each compresses, so twice as much is written.
    """
    rng = random.Random(SEED)
    cache = CONFIG.replace("COMPRESSION", "zstd" if packed else "none")
    with Sidecar(cache=cache).running() as server:
        before = rss(server.pid)
        written, key = 0, 0
        while written < 3 * TIER_BYTES * (1 + packed):
            size = size_of(rng)
            noise = size // 2 if packed else size
            count = max(1, min(500, MIB // size))
            values = [rng.randbytes(noise) + bytes(size - noise) for _ in range(count)]
            mset(server.port, values, key)
            key += 500
            written += (size + 500) * count
        used = used_bytes(server)
        grown = rss(server.pid) - before
        say(
            f"{name:24} used {used / MIB:6.1f} MiB, resident grew by {grown / MIB:6.1f}: "
            f"{grown / used:.2f} (at most 1.15)"
        )


def used_bytes(server: Running) -> int:
    stats = stats_of(server)
    return sum(stats["tiers"][tier]["used_bytes"] for tier in ("l1", "l2"))


if __name__ == "__main__":
    run()
