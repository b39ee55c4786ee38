"""The folder of L3 against its live bytes: below twice these plus 64 MiB, for any operations.

Incompressible values of one size or mixed, written as fast as the child accepts them; the folder is
measured after every acknowledgement. `run` prints the greatest folder / (2 * live + 64 MiB).
"""

from __future__ import annotations

import math
import random
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.l3 import wire
from sidecar.l3.folder import FOLDER
from sidecar.l3.records import logical_bytes
from sidecar.l3.space import folder_bytes
from sidecar.model.writes import Delete, Invalidate, Put, Write
from tests.bench.load import say
from tests.l3.children import RunningChild, request

MIB = 1 << 20
SIZES: dict[str, Callable[[random.Random], int]] = {
    "64 B": lambda _: 64,
    "1 KiB": lambda _: 1 << 10,
    "64 KiB": lambda _: 64 << 10,
    "1 MiB": lambda _: 1 << 20,
    "mixed": lambda rng: int(64 * 2 ** rng.uniform(0, 14)),
}
IN_FLIGHT = 4
"""Frames in transit; the sidecar's own limit is of the same order."""


@dataclass
class Measured:
    """The size of the folder according to the kernel, and the rate of writes."""

    worst: float = 0.0
    worst_at: tuple[int, int] = (0, 0)  # folder, live
    largest_folder: int = 0
    writes: int = 0
    written_bytes: int = 0
    seconds: float = 0.0

    def look(self, folder: int, live: int) -> None:
        share = folder / (2 * live + 64 * MIB)
        self.largest_folder = max(self.largest_folder, folder)
        if share > self.worst:
            self.worst, self.worst_at = share, (folder, live)

    def __str__(self) -> str:
        folder, live = (size / MIB for size in self.worst_at)
        return (
            f"{self.worst:.2f} (folder {folder:.0f} MiB, live {live:.0f}), "
            f"{self.writes / self.seconds:.0f} writes/s, "
            f"{self.written_bytes / self.seconds / MIB:.0f} MiB/s"
        )


@dataclass
class Tier:
    """The child, the live entries in it, and the frames in transit to it."""

    child: RunningChild
    folder: Path
    rng: random.Random
    measured: Measured = field(default_factory=Measured)
    sizes: dict[bytes, int] = field(default_factory=dict)
    live: int = 0
    seq: int = 0
    flying: deque[list[Write]] = field(default_factory=deque)
    acked: int = 0  # of the oldest frame
    ahead: float = 0.0  # of its clock, to let entries expire
    sweeping: bool = False

    def configure(self, max_bytes: int) -> None:
        self.child.send(call=wire.Configure("sidecar.policies.lru:score", 100_000_000, max_bytes))

    def send(self, writes: list[Write]) -> None:
        self.child.socket.sendall(request(*writes, sent_at=time.time() + self.ahead))
        self.flying.append(writes)
        while len(self.flying) > IN_FLIGHT:
            self.receive()

    def settle(self, until: Callable[[], bool] = lambda: True) -> None:
        """Wait for frames in transit, and for their effects."""
        while self.flying or not until():
            self.receive()

    def sweep(self, scope: bytes) -> None:
        """Invalidate a scope, and wait until the sweep has removed everything."""
        self.settle()
        self.sweeping = True
        self.seq += 1
        self.send([Invalidate(scope, self.seq)])
        self.settle(lambda: self.live == 0)
        self.sizes.clear()
        self.sweeping = False

    def receive(self) -> None:
        """Receive one reply; limits apply to the larger of the live bytes before and after it."""
        reply = self.child.receive()
        assert reply.fault is None, reply.fault
        before = self.live
        for _ in reply.writes:
            write = self.flying[0][self.acked]
            if isinstance(write, Put | Delete):
                self.live -= self.sizes.pop(write.key, 0)
                if isinstance(write, Put):
                    self.sizes[write.key] = logical_bytes(write)
                    self.live += self.sizes[write.key]
            self.acked += 1
            if self.acked == len(self.flying[0]):
                self.flying.popleft()
                self.acked = 0
        for key in reply.evicted:
            self.live -= self.sizes.pop(key)
        if reply.status is not None and self.sweeping:
            self.live = min(self.live, reply.status.used_bytes)
        self.measured.look(folder_bytes(self.folder), max(before, self.live))

    def a_put(self, key: int, size: int, ttl: float = math.inf) -> Put:
        self.seq += 1
        self.measured.writes += 1
        self.measured.written_bytes += size
        now = time.time() + self.ahead
        value = self.rng.randbytes(size)
        return Put(b"ns/%012d" % key, self.seq, now, now + ttl, "", size, value)


def frames(writes: Iterator[Write]) -> Iterator[list[Write]]:
    """Writes in frames like the sidecar's."""
    frame: list[Write] = []
    size = 0
    for write in writes:
        frame.append(write)
        size += len(write.value) if isinstance(write, Put) else 0
        if size >= wire.MAX_FRAME_BYTES or len(frame) == wire.MAX_FRAME_WRITES:
            yield frame
            frame, size = [], 0
    if frame:
        yield frame


def churn(
    data_dir: Path,
    size_of: Callable[[random.Random], int],
    live_bytes: int,
    *,
    turns: int,
    seed: int,
    limit: int | None = None,
) -> Measured:
    """Fill, replace at random, evict, delete, expire, shrink and invalidate a tier."""
    rng = random.Random(seed)
    child = RunningChild(data_dir, limit=limit)
    child.status()
    tier = Tier(child, data_dir / FOLDER, rng)
    tier.configure(live_bytes)
    average = sum(size_of(rng) + 80 for _ in range(1000)) // 1000
    entries = max(8, live_bytes // average)
    began = time.monotonic()

    def puts(count: int, keys: int, ttl: float = math.inf) -> None:
        """Puts of random keys; excess entries are evicted."""
        writes = (tier.a_put(rng.randrange(keys), size_of(rng), ttl) for _ in range(count))
        for frame in frames(writes):
            tier.send(frame)

    puts(entries * turns, entries * 3)  # evicts most of the time
    puts(entries * turns, entries // 2)  # replaces
    tier.settle()
    for frame in frames(_deletes(tier, list(tier.sizes))):
        tier.send(frame)
    tier.settle()
    puts(entries, entries * 3, ttl=3600.0)
    tier.ahead += 3600.0
    tier.sweep(b"another/")
    puts(entries, entries * 3)
    tier.settle()
    tier.configure(live_bytes // 20)
    tier.settle(lambda: tier.live <= live_bytes // 20)
    tier.configure(live_bytes)
    puts(entries, entries * 3)
    tier.sweep(b"ns/")
    tier.measured.seconds = time.monotonic() - began
    child.close()
    return tier.measured


def _deletes(tier: Tier, keys: list[bytes]) -> Iterator[Write]:
    for key in keys:
        tier.seq += 1
        tier.measured.writes += 1
        yield Delete(key, tier.seq)


def run(live_bytes: int = 400 * MIB, turns: int = 2) -> None:
    for name, size_of in SIZES.items():
        live = min(live_bytes, 120 * MIB) if name == "64 B" else live_bytes
        with tempfile.TemporaryDirectory() as folder:
            measured = churn(Path(folder), size_of, live, turns=turns, seed=20240614)
        say(f"{name:8} live up to {live // MIB} MiB: {measured}")


if __name__ == "__main__":
    run()
