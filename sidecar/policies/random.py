"""Random replacement: every key is equally likely to leave, the newest included.

Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal,
1966. Deviations: none. It has no order and ignores hits, so it is the baseline for the others.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import ClassVar

from sidecar.model.metadata import Metadata
from sidecar.policies.spec import PolicySpec


class Random:
    """A list of keys to draw from, and the index of each key."""

    name: ClassVar[str] = "random"
    overhead_bytes: ClassVar[int] = 165

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._keys: list[bytes] = []
        self._places: dict[bytes, int] = {}

    def insert(self, key: bytes, expires_at: float) -> None:
        self._places[key] = len(self._keys)
        self._keys.append(key)

    def hit(self, key: bytes) -> None:
        pass

    def update(self, key: bytes, expires_at: float) -> None:
        pass

    def remove(self, key: bytes) -> None:
        place = self._places.pop(key)
        last = self._keys.pop()
        if last != key:  # the last key fills the gap, so that the list stays dense
            self._keys[place] = last
            self._places[last] = place

    def evict(self) -> bytes:
        if not self._keys:
            raise KeyError("no key to evict")
        # A third of the time of randrange; its bias is below 2**-30 for any cache that fits memory.
        key = self._keys[int(self._rng.random() * len(self._keys))]
        self.remove(key)
        return key

    def resize(self, capacity: int) -> None:
        pass

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[bytes]:
        """Keys in no particular order, since all are equally likely to leave next."""
        return iter(self._keys)

    def check(self) -> None:
        """The list is dense, and the index of each key is correct."""
        assert [self._places[key] for key in self._keys] == list(range(len(self._places)))


def score(meta: Metadata) -> float:
    """The same score for all entries, so that the first of a random sample leaves."""
    return 0.0


SPEC = PolicySpec(
    name=Random.name,
    meaning="any entry",
    make=lambda capacity, *, rng: Random(rng),
    traits=frozenset({"chance"}),
    score="sidecar.policies.random:score",
    check=Random.check,
)
