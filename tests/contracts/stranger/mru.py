"""Most recently used: what was used last leaves first, but for the newest key.

Chou and DeWitt, "An evaluation of buffer management strategies for relational database systems",
VLDB 1985: good for loops that are longer than the cache. `spared` keys, those used last, stay.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import ClassVar

from sidecar.model.metadata import ACCESSED_AT, Metadata
from sidecar.model.option import Option
from sidecar.policies.spec import PolicySpec


class Mru:
    """One queue, from the least recently used key to the most."""

    name: ClassVar[str] = "mru"
    overhead_bytes: ClassVar[int] = 210

    def __init__(self, spared: int) -> None:
        self._spared = spared
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
        newest = [self._keys.popitem()[0] for _ in range(min(self._spared, len(self._keys) - 1))]
        victim = self._keys.popitem()[0]
        self._keys.update(dict.fromkeys(reversed(newest)))
        return victim

    def resize(self, capacity: int) -> None:
        pass

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[bytes]:
        keys = list(self._keys)
        stay = keys[max(1, len(keys) - self._spared) :]
        return iter(keys[: len(keys) - len(stay)][::-1] + stay)


def score(meta: Metadata) -> float:
    """The entry that was used last leaves L3 first."""
    return -meta[ACCESSED_AT]


SPARED = Option(
    name="spared", meaning="keys that stay, of those used last", default=1, above=0, below=100
)

SPEC = PolicySpec(
    name=Mru.name,
    meaning="the most recent",
    make=lambda capacity, *, rng, spared=SPARED.default: Mru(int(spared)),
    traits=frozenset({"reads"}),
    options=(SPARED,),
    score="tests.contracts.stranger.mru:score",
)
