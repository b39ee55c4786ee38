"""Random replacement: every key is equally likely to leave, the newest included.

Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal,
1966. Deviations: none. It has no order and ignores hits, so it is the baseline for the others.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import ClassVar, Generic

from sidecar.model.metadata import Metadata
from sidecar.policies.protocol import N
from sidecar.policies.spec import PolicySpec


class Random(Generic[N]):
    """A list of nodes to draw from. A node's mark is its index."""

    name: ClassVar[str] = "random"
    overhead_bytes: ClassVar[int] = 165

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._list: list[N] = []
        self._nodes: dict[bytes, N] = {}
        self.get = self._nodes.get

    def insert(self, node: N) -> None:
        self._nodes[node.key] = node
        node.mark = len(self._list)
        self._list.append(node)

    def hit(self, node: N) -> None:
        pass

    def replace(self, old: N, new: N) -> None:
        self._nodes[old.key] = self._list[old.mark] = new
        new.mark = old.mark

    def remove(self, node: N) -> None:
        del self._nodes[node.key]
        last = self._list.pop()
        if last is not node:  # the last node fills the gap, so that the list stays dense
            self._list[node.mark] = last
            last.mark = node.mark

    def evict(self) -> N:
        if not self._list:
            raise KeyError("no key to evict")
        # A third of the time of randrange; its bias is below 2**-30 for any cache that fits memory.
        node = self._list[int(self._rng.random() * len(self._list))]
        self.remove(node)
        return node

    def resize(self, capacity: int) -> None:
        pass

    def __len__(self) -> int:
        return len(self._nodes)

    def keys(self) -> Iterable[bytes]:
        return self._nodes.keys()

    def __iter__(self) -> Iterator[N]:
        """Nodes in no particular order, since all are equally likely to leave next."""
        return iter(self._list)

    def check(self) -> None:
        """The list is dense, and the index of each node is correct."""
        assert [node.mark for node in self._list] == list(range(len(self._nodes)))
        assert all(self._nodes[node.key] is node for node in self._list)


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
