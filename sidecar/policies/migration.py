"""Replaces the policy of a running tier without dropping an entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import ClassVar

from sidecar.policies.protocol import Policy

KEYS_A_STEP = 256


class Migration:
    """Two policies as one: keys move from `old` to `new`, in the order of eviction.

    A key that is used moves at once. The keys moved first were the coldest in the old order, so
    victims come from the new policy while it has any. `expires_at` returns the expiry of a key.
    """

    name: ClassVar[str] = "migration"

    def __init__(self, old: Policy, new: Policy, expires_at: Callable[[bytes], float]) -> None:
        self._old = old
        self.new = new
        self._expires_at = expires_at

    @property
    def overhead_bytes(self) -> int:
        return max(self._old.overhead_bytes, self.new.overhead_bytes)

    def step(self) -> bool:
        """Move KEYS_A_STEP keys; True once all keys have moved."""
        for _ in range(min(KEYS_A_STEP, len(self._old))):
            key = self._old.evict()
            self.new.insert(key, self._expires_at(key))
        return not len(self._old)

    def insert(self, key: bytes, expires_at: float) -> None:
        self.new.insert(key, expires_at)

    def hit(self, key: bytes) -> None:
        self._move(key)
        self.new.hit(key)

    def update(self, key: bytes, expires_at: float) -> None:
        self._move(key)
        self.new.update(key, expires_at)

    def remove(self, key: bytes) -> None:
        (self._old if key in self._old else self.new).remove(key)

    def evict(self) -> bytes:
        return (self.new if len(self.new) else self._old).evict()

    def resize(self, capacity: int) -> None:
        self._old.resize(capacity)
        self.new.resize(capacity)

    def __len__(self) -> int:
        return len(self._old) + len(self.new)

    def __contains__(self, key: object) -> bool:
        return key in self._old or key in self.new

    def __iter__(self) -> Iterator[bytes]:
        return chain(self.new, self._old)

    def _move(self, key: bytes) -> None:
        if key in self._old:
            self._old.remove(key)
            self.new.insert(key, self._expires_at(key))
