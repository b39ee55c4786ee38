"""Most recently used: what was used last leaves first, but for the newest key.

Chou and DeWitt, "An evaluation of buffer management strategies for relational database systems",
VLDB 1985: good for loops that are longer than the cache. `spared` keys, those used last, stay.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import ClassVar, Generic

from sidecar.model.metadata import ACCESSED_AT, Metadata
from sidecar.model.option import Option
from sidecar.policies.protocol import N
from sidecar.policies.spec import PolicySpec


class Mru(Generic[N]):
    """One queue, from the least recently used node to the most."""

    name: ClassVar[str] = "mru"
    overhead_bytes: ClassVar[int] = 210

    def __init__(self, spared: int) -> None:
        self._spared = spared
        self._queue: OrderedDict[bytes, N] = OrderedDict()
        self.get = self._queue.get

    def insert(self, node: N) -> None:
        self._queue[node.key] = node

    def hit(self, node: N) -> None:
        self._queue.move_to_end(node.key)

    def replace(self, old: N, new: N) -> None:
        self._queue[old.key] = new
        self._queue.move_to_end(old.key)

    def remove(self, node: N) -> None:
        del self._queue[node.key]

    def evict(self) -> N:
        newest = [self._queue.popitem() for _ in range(min(self._spared, len(self._queue) - 1))]
        _, victim = self._queue.popitem()
        self._queue.update(reversed(newest))
        return victim

    def resize(self, capacity: int) -> None:
        pass

    def __len__(self) -> int:
        return len(self._queue)

    def keys(self) -> Iterable[bytes]:
        return self._queue.keys()

    def __iter__(self) -> Iterator[N]:
        nodes = list(self._queue.values())
        stay = nodes[max(1, len(nodes) - self._spared) :]
        return iter(nodes[: len(nodes) - len(stay)][::-1] + stay)


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
