"""Replaces the policy of running tiers without dropping an entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import ClassVar, Generic

from sidecar.policies.protocol import N, Policy

NODES_A_STEP = 256


class Migration(Generic[N]):
    """Two policies as one: nodes move from `old` to `new`, in the order of eviction.

    Victims come from the new policy while it has any, and the nodes that move first are the coldest
    of the old order. So a node that is used stays where it is: if it moved at once, a hot node
    would be among the first victims.
    """

    name: ClassVar[str] = "migration"

    def __init__(self, old: Policy[N], new: Policy[N]) -> None:
        self._old = old
        self.new = new
        self.step()

    @property
    def overhead_bytes(self) -> int:
        return max(self._old.overhead_bytes, self.new.overhead_bytes)

    def step(self) -> bool:
        """Move NODES_A_STEP nodes; True once all nodes have moved."""
        for _ in range(min(NODES_A_STEP, len(self._old))):
            self.new.insert(self._old.evict())
        return not len(self._old)

    def get(self, key: bytes) -> N | None:
        node = self.new.get(key)
        return self._old.get(key) if node is None else node

    def insert(self, node: N) -> None:
        self.new.insert(node)

    def hit(self, node: N) -> None:
        self._holder(node).hit(node)

    def replace(self, old: N, new: N) -> None:
        self._holder(old).replace(old, new)

    def remove(self, node: N) -> None:
        self._holder(node).remove(node)

    def evict(self) -> N:
        return (self.new if len(self.new) else self._old).evict()

    def resize(self, capacity: int) -> None:
        self._old.resize(capacity)
        self.new.resize(capacity)

    def __len__(self) -> int:
        return len(self._old) + len(self.new)

    def keys(self) -> Iterable[bytes]:
        return chain(self.new.keys(), self._old.keys())

    def __iter__(self) -> Iterator[N]:
        return chain(self.new, self._old)

    def _holder(self, node: N) -> Policy[N]:
        return self.new if self._old.get(node.key) is None else self._old
