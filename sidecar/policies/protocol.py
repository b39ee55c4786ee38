"""What an eviction policy is: an order over keys, and nothing else.

A policy never sees a value, a size or a clock. The tier that owns it decides *when* something must
go (it is over its entries or its bytes); the policy decides *which*. So one policy serves a tier
bounded by entries, by bytes, or by both, and can be swapped while the tier runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Protocol

NEVER = float("inf")
"""The expiry of an entry that does not expire."""


class Policy(Protocol):
    """An order in which keys leave.

    Every method is O(1) amortized unless its docstring says otherwise. `insert` wants an absent
    key, `hit`, `update` and `remove` want a present one; anything else is a bug in the caller and
    raises KeyError where that costs nothing.
    """

    name: ClassVar[str]

    @property
    def overhead_bytes(self) -> int:
        """Memory a key costs inside the policy: links, slots, its share of ghosts and sketches."""

    def insert(self, key: bytes, expires_at: float) -> None:
        """Take in a new key. `expires_at` is in seconds on the tier's clock, or NEVER."""

    def hit(self, key: bytes) -> None:
        """The key was read."""

    def update(self, key: bytes, expires_at: float) -> None:
        """The key's value was replaced, and its expiry with it."""

    def remove(self, key: bytes) -> None:
        """The key left for another reason than eviction (deleted, expired, promoted)."""

    def evict(self) -> bytes:
        """Choose the key to go, forget it and return it. Raises KeyError when empty."""

    def resize(self, capacity: int) -> None:
        """The tier holds `capacity` entries from now on. Evicts nothing: the tier asks for that."""

    def __len__(self) -> int: ...

    def __contains__(self, key: object) -> bool: ...

    def __iter__(self) -> Iterator[bytes]:
        """Keys from the first to leave to the last, as far as the policy knows; O(n log n).

        A change of policy inserts them into the new one in this order, so that what was about to
        leave still is.
        """
