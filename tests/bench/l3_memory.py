"""Memory of L3's process for its entries, and how soon it is ready again.

`python -m tests.bench.l3_memory [ENTRIES]`: 2 million entries with keys of 20 bytes and
values of 100 are put through the wire; then some are read, replaced, deleted and evicted.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from sidecar.l3 import wire
from sidecar.model.writes import Put
from tests.bench.load import say
from tests.bench.processes import pss
from tests.l3.children import RunningChild, put

MIB = 1 << 20
FRAME = 2000


def run(entries: int = 2_000_000) -> None:
    rng = random.Random(20240618)
    with tempfile.TemporaryDirectory() as folder:
        child = RunningChild(Path(folder))
        child.hello()
        idle = pss(child.process.pid)
        say(f"idle: {idle / MIB:.1f} MiB")
        began = time.monotonic()
        _send(child, (_a_put(rng, n, n + 1) for n in range(entries)))
        say(f"filled at {entries / (time.monotonic() - began):.0f} puts/s")
        grown(child, idle, entries, "after the fill")
        _read(child, rng, entries)
        grown(child, idle, entries, "after 100,000 reads")
        _send(child, (_a_put(rng, rng.randrange(entries), entries + n) for n in range(200_000)))
        grown(child, idle, entries, "after 200,000 replacements")
        child.send(call=wire.Configure("sidecar.policies.lru:score", entries, 1 << 40))
        _send(child, (_a_put(rng, entries + n, 2 * entries + n) for n in range(100_000)))
        grown(child, idle, entries, "after 100,000 evictions")
        child.kill()
        child = ready(Path(folder), "kill -9")
        grown(child, idle, entries, "after the restart")
        _read(child, rng, entries)
        grown(child, idle, entries, "after 100,000 reads")
        child.close()
        ready(Path(folder), "an orderly end").close()


def ready(data_dir: Path, after: str) -> RunningChild:
    began = time.monotonic()
    child = RunningChild(data_dir)
    hello = child.hello()
    say(f"ready again {time.monotonic() - began:.2f} s after {after}, {hello.entries} entries")
    return child


def grown(child: RunningChild, idle: int, entries: int, when: str) -> None:
    """Wait for a few statuses, and compare with the idle process."""
    for _ in range(4):
        child.status()
    growth = pss(child.process.pid) - idle
    say(f"{when}: {growth / MIB:.1f} MiB more, {growth / entries:.1f} bytes an entry (at most 16)")


def _a_put(rng: random.Random, key: int, seq: int) -> Put:
    return put(b"bench/key-%010d" % key, rng.randbytes(100), seq)


def _send(child: RunningChild, puts: Iterable[Put]) -> None:
    """Send large frames, with two in transit."""
    owed = 0
    frame: list[Put] = []
    for one in puts:
        frame.append(one)
        if len(frame) == FRAME:
            child.send(*frame)
            owed += FRAME
            frame.clear()
        while owed > 2 * FRAME:
            owed -= len(child.receive().writes)
    child.answers(writes=owed)


def _read(child: RunningChild, rng: random.Random, entries: int) -> None:
    for _ in range(1600):
        child.values([b"bench/key-%010d" % rng.randrange(entries) for _ in range(62)])


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
