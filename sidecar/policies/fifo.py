"""First in, first out: the oldest key leaves first, however often it is used.

Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal,
1966. Deviations: none. A key whose value is replaced keeps its place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import ClassVar, Generic

from sidecar.model.metadata import SEQ
from sidecar.policies.protocol import N
from sidecar.policies.spec import PolicySpec, Score


class Fifo(Generic[N]):
    """One queue, from the oldest node to the newest."""

    name: ClassVar[str] = "fifo"
    overhead_bytes: ClassVar[int] = 205

    def __init__(self) -> None:
        # Not a deque: a deleted key must be removed from the middle of the queue in O(1).
        self._queue: OrderedDict[bytes, N] = OrderedDict()
        self.get = self._queue.get

    def insert(self, node: N) -> None:
        self._queue[node.key] = node

    def hit(self, node: N) -> None:
        pass

    def replace(self, old: N, new: N) -> None:
        self._queue[old.key] = new

    def remove(self, node: N) -> None:
        del self._queue[node.key]

    def evict(self) -> N:
        return self._queue.popitem(last=False)[1]

    def resize(self, capacity: int) -> None:
        pass

    def __len__(self) -> int:
        return len(self._queue)

    def keys(self) -> Iterable[bytes]:
        return dict.keys(self._queue)

    def __iter__(self) -> Iterator[N]:
        return iter(self._queue.values())


score: Score = itemgetter(SEQ)

SPEC = PolicySpec(
    name=Fifo.name,
    meaning="the oldest entry",
    make=lambda capacity, *, rng: Fifo(),
    score="sidecar.policies.fifo:score",
)
