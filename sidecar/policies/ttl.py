"""Nearest expiry first: the key that expires next leaves first.

Like volatile-ttl in Redis, which samples; this order is exact. Keys that never expire leave last.
Keys with the same expiry leave in the order of insertion. A new key with the nearest expiry is the
next to leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from operator import itemgetter
from typing import ClassVar

from sidecar.model.metadata import EXPIRES_AT
from sidecar.policies.spec import PolicySpec, Score

_Place = tuple[float, int, bytes]
"""(expiry, serial number, key): the serial number orders equal expiries and is never repeated."""


class Ttl:
    """A heap of places. If a key leaves or moves, its place becomes stale and is skipped later.

    `insert`, `update` and `evict` are O(log n) amortized. If all keys have the same time to live,
    every new place is at the end of the heap and costs one comparison.
    """

    name: ClassVar[str] = "ttl"
    overhead_bytes: ClassVar[int] = 280

    def __init__(self) -> None:
        self._places: dict[bytes, _Place] = {}
        self._heap: list[_Place] = []
        self._serials = count()

    def insert(self, key: bytes, expires_at: float) -> None:
        place = (expires_at, next(self._serials), key)
        self._places[key] = place
        heappush(self._heap, place)

    def hit(self, key: bytes) -> None:
        pass

    def update(self, key: bytes, expires_at: float) -> None:
        self.remove(key)
        self.insert(key, expires_at)

    def remove(self, key: bytes) -> None:
        del self._places[key]
        self._bound_heap()

    def evict(self) -> bytes:
        if not self._places:
            raise KeyError("no key to evict")
        while True:
            place = heappop(self._heap)
            key = place[2]
            if self._places.get(key) is place:
                del self._places[key]
                self._bound_heap()
                return key

    def resize(self, capacity: int) -> None:
        pass

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[bytes]:
        """From the nearest expiry to the last; O(n log n)."""
        return (key for _, _, key in sorted(self._places.values()))

    def check(self) -> None:
        """Every valid place is in the heap, which is in order and at most half as long again."""
        heap = self._heap
        assert set(self._places.values()) <= set(heap)
        assert all(heap[(at - 1) // 2] <= heap[at] for at in range(1, len(heap)))
        assert 2 * len(heap) <= 3 * len(self._places)

    def _bound_heap(self) -> None:
        # Stale places keep their keys in memory, so they may take at most a third of the heap. The
        # cost of dropping them is amortized over the removals that made them stale.
        if 2 * len(self._heap) > 3 * len(self._places):
            self._heap = list(self._places.values())
            heapify(self._heap)


score: Score = itemgetter(EXPIRES_AT)

SPEC = PolicySpec(
    name=Ttl.name,
    meaning="the entry that expires next",
    make=lambda capacity, *, rng: Ttl(),
    traits=frozenset({"expiry"}),
    score="sidecar.policies.ttl:score",
    check=Ttl.check,
)
