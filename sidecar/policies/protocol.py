"""The interface of an eviction policy: a table of nodes, and the order in which they leave.

A node is what a policy orders: an entry, or a stand-in for one. A policy has no access to values,
sizes or the clock. The caller decides *when* a node must leave (memory exceeds its entries or its
bytes); the policy decides *which*. So a policy works with a limit on entries, on bytes, or on both,
and can be replaced while it is in use.

The table and the order are one structure, since a second hash table costs as much memory as all
metadata of an entry: the queues of a policy map keys to nodes, and `get` looks in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, Protocol, TypeVar

import msgspec

NEVER = float("inf")
"""The expiry of a node that does not expire."""
MOST_STEPS = 4096
"""Nodes that one call of `evict` may pass over: some milliseconds. A policy that is O(1) amortized
may have a million of them to pass over otherwise, with the event loop waiting.
"""


class Node(Protocol):
    """A key in a policy."""

    mark: int
    """The policy's own number for this node, such as its hits. A policy sets it when it inserts the
    node; nobody else changes it."""

    @property
    def key(self) -> bytes: ...

    @property
    def expires_at(self) -> float:
        """In seconds of the caller's clock, or NEVER."""


N = TypeVar("N", bound=Node)


class Item(msgspec.Struct, eq=False, gc=False):
    """A node that is only a key, for simulations and tests."""

    key: bytes
    expires_at: float = NEVER
    mark: int = 0


class Policy(Protocol[N]):
    """Nodes by key, and the order in which they leave.

    Every method is O(1) amortized unless its docstring says otherwise. `insert` requires an absent
    key; `hit`, `replace` and `remove` require a node that is held. A violation is a bug in the
    caller, and raises KeyError where the check is free.

    A victim among some of the nodes, such as those of one namespace, is not part of the interface:
    it would take a policy for each group, and `remove` then takes the victim of the group.
    """

    name: ClassVar[str]

    @property
    def overhead_bytes(self) -> int:
        """Memory per node besides the node: table, links, its share of ghosts and sketches."""

    @property
    def get(self) -> Callable[[bytes], N | None]:
        """The node of a key, or None. A property, so that a policy may offer the method of its
        dict: every request calls it.
        """

    def insert(self, node: N) -> None:
        """Add a node with a new key."""

    def hit(self, node: N) -> None:
        """Record that the node was read."""

    def replace(self, old: N, new: N) -> None:
        """Put `new` into the place of `old`, which has the same key: a new value, a new expiry."""

    def remove(self, node: N) -> None:
        """Remove a node that leaves for a reason other than eviction (deleted, expired)."""

    def evict(self) -> N:
        """Choose a victim, remove it and return it. Raises KeyError if empty."""

    def resize(self, capacity: int) -> None:
        """Use a new capacity, in nodes. Evicts nothing: the caller calls `evict`."""

    def __len__(self) -> int: ...

    def keys(self) -> Iterable[bytes]:
        """All keys, in no particular order; O(n), since all are listed at once. For an OrderedDict
        that is `dict.keys`: its own iterator looks each key up, which takes a second for a million.
        """

    def __iter__(self) -> Iterator[N]:
        """Nodes in the order in which they would leave, as far as it is known; O(n log n).

        A change of policy inserts them into the new policy in this order, so that the next victims
        stay the same.
        """
