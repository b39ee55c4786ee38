"""Random replacement: every key is as likely to leave as any other, the newest too.

Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal,
1966. Deviations: none. It needs no order and takes no notice of hits, so it is the yardstick that
the others have to beat.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import ClassVar

from sidecar.model.metadata import Metadata
from sidecar.policies.spec import PolicySpec


class Random:
    """A list of keys to draw from, and each key's place in it."""

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
        if last != key:  # the last key fills the hole, so that the list stays dense
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
        """In no particular order: all are equally likely to be next."""
        return iter(self._keys)

    def check(self) -> None:
        """The list is dense, and each key knows its place in it."""
        assert [self._places[key] for key in self._keys] == list(range(len(self._places)))


def score(meta: Metadata) -> float:
    """All alike: the first of a random sample is as good as any."""
    return 0.0


SPEC = PolicySpec(
    name=Random.name,
    meaning="any entry",
    make=lambda capacity, *, rng: Random(rng),
    traits=frozenset({"chance"}),
    score="sidecar.policies.random:score",
    check=Random.check,
)
