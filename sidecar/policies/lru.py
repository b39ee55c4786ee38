"""Least recently used: the key whose last use is the oldest leaves first.

Mattson, Gecsei, Slutz, Traiger, "Evaluation techniques for storage hierarchies", IBM Systems
Journal, 1970. Deviations: none. A replaced value counts as a use.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from operator import itemgetter
from typing import ClassVar

from sidecar.model.metadata import ACCESSED_AT
from sidecar.policies.spec import PolicySpec, Score


class Lru:
    """One queue, from the least recently used key to the most."""

    name: ClassVar[str] = "lru"
    overhead_bytes: ClassVar[int] = 210

    def __init__(self) -> None:
        # OrderedDict, since a plain dict finds its first key by scanning the slots of removed keys,
        # which makes a queue quadratic.
        self._keys: OrderedDict[bytes, None] = OrderedDict()

    def insert(self, key: bytes, expires_at: float) -> None:
        self._keys[key] = None

    def hit(self, key: bytes) -> None:
        self._keys.move_to_end(key)

    def update(self, key: bytes, expires_at: float) -> None:
        self._keys.move_to_end(key)

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


score: Score = itemgetter(ACCESSED_AT)

SPEC = PolicySpec(
    name=Lru.name,
    meaning="the least recently used entry",
    make=lambda capacity, *, rng: Lru(),
    traits=frozenset({"reads"}),
    score="sidecar.policies.lru:score",
)
