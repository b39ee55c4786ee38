"""Memory: both processes idle, and the growth of L1 and L2 against their `used_bytes`."""

from __future__ import annotations

import json
import random
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from tests.bench.load import Running, say, sidecar

MIB = 1 << 20
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
    with sidecar(0, 1) as server:
        total = pss(server.pid) + (pss(server.child) if server.child else 0)
        say(f"idle, both processes: {total / MIB:.1f} MiB (at most 95)")
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
    rng = random.Random(20240607)
    with sidecar(
        0, 1, config=CONFIG.replace("COMPRESSION", "zstd" if packed else "none")
    ) as server:
        before = rss(server.pid)
        written, key = 0, 0
        while written < 3 * TIER_BYTES * (1 + packed):
            size = size_of(rng)
            noise = size // 2 if packed else size
            count = max(1, min(500, MIB // size))
            mset(server, key, [rng.randbytes(noise) + bytes(size - noise) for _ in range(count)])
            key += 500
            written += (size + 500) * count
        used = used_bytes(server)
        grown = rss(server.pid) - before
        say(
            f"{name:24} used {used / MIB:6.1f} MiB, resident grew by {grown / MIB:6.1f}: "
            f"{grown / used:.2f} (at most 1.15)"
        )


def mset(server: Running, start: int, values: list[bytes]) -> None:
    entries = [{"key": f"key{start + n}", "value": value} for n, value in enumerate(values)]
    body = msgspec.msgpack.encode({"namespace": "bench", "entries": entries})
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/v1/mset",
        body,
        {"Content-Type": "application/msgpack"},
        method="POST",
    )
    urllib.request.urlopen(request).read()


def used_bytes(server: Running) -> int:
    stats = json.load(urllib.request.urlopen(f"http://127.0.0.1:{server.port}/v1/stats"))
    return sum(stats["tiers"][tier]["used_bytes"] for tier in ("l1", "l2"))


def pss(pid: int) -> int:
    return _field(f"/proc/{pid}/smaps_rollup", "Pss:")


def rss(pid: int) -> int:
    return _field(f"/proc/{pid}/status", "VmRSS:")


def _field(path: str, name: str) -> int:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0
