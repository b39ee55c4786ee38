"""Least recently used: the key whose last use is the oldest leaves first.

Mattson, Gecsei, Slutz, Traiger, "Evaluation techniques for storage hierarchies", IBM Systems
Journal, 1970. Deviations: none. A replaced value counts as a use.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import ClassVar, Generic

from sidecar.model.metadata import ACCESSED_AT
from sidecar.policies.protocol import N
from sidecar.policies.spec import PolicySpec, Score


class Lru(Generic[N]):
    """One queue, from the least recently used node to the most."""

    name: ClassVar[str] = "lru"
    overhead_bytes: ClassVar[int] = 205

    def __init__(self) -> None:
        # OrderedDict, since a plain dict finds its first key by scanning the slots of removed keys,
        # which makes a queue quadratic.
        self._queue: OrderedDict[bytes, N] = OrderedDict()
        self.get = self._queue.get
        self._move_to_end = self._queue.move_to_end

    def insert(self, node: N) -> None:
        self._queue[node.key] = node

    def hit(self, node: N) -> None:
        self._move_to_end(node.key)

    def replace(self, old: N, new: N) -> None:
        self._queue[old.key] = new
        self._move_to_end(old.key)

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


score: Score = itemgetter(ACCESSED_AT)

SPEC = PolicySpec(
    name=Lru.name,
    meaning="the least recently used entry",
    make=lambda capacity, *, rng: Lru(),
    traits=frozenset({"reads"}),
    score="sidecar.policies.lru:score",
)
