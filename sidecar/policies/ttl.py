"""Nearest expiry first: the key that expires next leaves first.

Like volatile-ttl in Redis, which samples; this order is exact. Keys that never expire leave last.
Keys with the same expiry leave in the order of insertion. A new key with the nearest expiry is the
next to leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from operator import itemgetter
from typing import ClassVar, Generic

from sidecar.model.metadata import GONE_AT
from sidecar.policies.protocol import N
from sidecar.policies.spec import PolicySpec, Score

_Place = tuple[float, int, bytes]
"""(expiry, serial number, key): the serial number orders equal expiries and is never repeated."""


class Ttl(Generic[N]):
    """A heap of places. A node's mark is the serial number of its place: if it leaves or moves, the
    place becomes stale and is skipped later.

    `insert`, `replace` and `evict` are O(log n) amortized. If all keys have the same time to live,
    every new place is at the end of the heap and costs one comparison.
    """

    name: ClassVar[str] = "ttl"
    overhead_bytes: ClassVar[int] = 275

    def __init__(self) -> None:
        self._nodes: dict[bytes, N] = {}
        self._heap: list[_Place] = []
        self._serials = count(1)
        self.get = self._nodes.get

    def insert(self, node: N) -> None:
        self._nodes[node.key] = node
        node.mark = serial = next(self._serials)
        heappush(self._heap, (node.expires_at, serial, node.key))

    def hit(self, node: N) -> None:
        pass

    def replace(self, old: N, new: N) -> None:
        self.remove(old)
        self.insert(new)

    def remove(self, node: N) -> None:
        del self._nodes[node.key]
        self._bound_heap()

    def evict(self) -> N:
        if not self._nodes:
            raise KeyError("no key to evict")
        while True:
            _, serial, key = heappop(self._heap)
            node = self._nodes.get(key)
            if node is not None and node.mark == serial:
                self.remove(node)
                return node

    def resize(self, capacity: int) -> None:
        pass

    def __len__(self) -> int:
        return len(self._nodes)

    def keys(self) -> Iterable[bytes]:
        return self._nodes.keys()

    def __iter__(self) -> Iterator[N]:
        """From the nearest expiry to the last; O(n log n)."""
        return (self._nodes[key] for _, _, key in sorted(self._places()))

    def check(self) -> None:
        """Every valid place is in the heap, which is in order and at most half as long again."""
        heap = self._heap
        assert set(self._places()) <= set(heap)
        assert all(heap[(at - 1) // 2] <= heap[at] for at in range(1, len(heap)))
        assert 2 * len(heap) <= 3 * len(self._nodes)

    def _places(self) -> Iterator[_Place]:
        """Those that are not stale."""
        return ((node.expires_at, node.mark, node.key) for node in self._nodes.values())

    def _bound_heap(self) -> None:
        # Stale places keep their keys in memory, so they may take at most a third of the heap. The
        # cost of dropping them is amortized over the removals that made them stale.
        if 2 * len(self._heap) > 3 * len(self._nodes):
            self._heap = list(self._places())
            heapify(self._heap)


score: Score = itemgetter(GONE_AT)

SPEC = PolicySpec(
    name=Ttl.name,
    meaning="the entry that expires next",
    make=lambda capacity, *, rng: Ttl(),
    traits=frozenset({"expiry"}),
    score="sidecar.policies.ttl:score",
    check=Ttl.check,
)
