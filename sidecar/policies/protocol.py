"""The interface of an eviction policy: an order over keys.

A policy has no access to values, sizes or the clock. The tier decides *when* an entry must leave
(it exceeds its entries or its bytes); the policy decides *which*. So a policy works for tiers with
a limit on entries, on bytes, or on both, and can be replaced while the tier runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Protocol

NEVER = float("inf")
"""The expiry of an entry that does not expire."""


class Policy(Protocol):
    """The order in which keys leave a tier.

    Every method is O(1) amortized unless its docstring says otherwise. `insert` requires an absent
    key; `hit`, `update` and `remove` require a present one. A violation is a bug in the caller, and
    raises KeyError where the check is free.
    """

    name: ClassVar[str]

    @property
    def overhead_bytes(self) -> int:
        """Memory per key in the policy: links, slots, its share of ghosts and sketches."""

    def insert(self, key: bytes, expires_at: float) -> None:
        """Add a new key. `expires_at` is in seconds of the tier's clock, or NEVER."""

    def hit(self, key: bytes) -> None:
        """Record that the key was read."""

    def update(self, key: bytes, expires_at: float) -> None:
        """Record that the value and the expiry of the key were replaced."""

    def remove(self, key: bytes) -> None:
        """Remove a key that left for a reason other than eviction (deleted, expired, promoted)."""

    def evict(self) -> bytes:
        """Choose a victim, remove it and return it. Raises KeyError if empty."""

    def resize(self, capacity: int) -> None:
        """Use a new capacity, in entries. Evicts nothing: the tier calls `evict`."""

    def __len__(self) -> int: ...

    def __contains__(self, key: object) -> bool: ...

    def __iter__(self) -> Iterator[bytes]:
        """Keys in the order in which they would leave, as far as it is known; O(n log n).

        A change of policy inserts them into the new policy in this order, so that the next victims
        stay the same.
        """
