"""First in, first out: the oldest key leaves first, however often it is used.

Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal,
1966. Deviations: none. A key whose value is replaced keeps its place.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from operator import itemgetter
from typing import ClassVar

from sidecar.model.metadata import SEQ
from sidecar.policies.spec import PolicySpec, Score


class Fifo:
    """One queue, from the oldest key to the newest."""

    name: ClassVar[str] = "fifo"
    overhead_bytes: ClassVar[int] = 210

    def __init__(self) -> None:
        # Not a deque: a deleted key must be removed from the middle of the queue in O(1).
        self._keys: OrderedDict[bytes, None] = OrderedDict()

    def insert(self, key: bytes, expires_at: float) -> None:
        self._keys[key] = None

    def hit(self, key: bytes) -> None:
        pass

    def update(self, key: bytes, expires_at: float) -> None:
        pass

    def remove(self, key: bytes) -> None:
        del self._keys[key]

    def evict(self) -> bytes:
        return self._keys.popitem(last=False)[0]

    def resize(self, capacity: int) -> None:
        pass

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._keys)


score: Score = itemgetter(SEQ)

SPEC = PolicySpec(
    name=Fifo.name,
    meaning="the oldest entry",
    make=lambda capacity, *, rng: Fifo(),
    score="sidecar.policies.fifo:score",
)
