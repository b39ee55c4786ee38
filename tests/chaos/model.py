"""What a cache may answer, whatever happens to it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Key:
    """The values that a read of one key may give, and whether it has to give one.

    A read may always find nothing: a cache may forget. It may not give a value that was replaced or
    deleted by a write that was answered. Each key has one writer, which waits for its answers.
    """

    allowed: set[bytes] = field(default_factory=set)
    durable: bool = False
    """The last write was answered as durable, and nothing happened that may lose it."""

    def put(self, value: bytes, *, answered: bool, durable: bool) -> None:
        self.allowed = {value} if answered else {*self.allowed, value}
        self.durable = durable

    def delete(self, *, answered: bool) -> None:
        if answered:
            self.allowed = set()
        self.durable = False

    def wrong(self, found: bytes | None) -> str | None:
        """What is wrong with this answer to a read, if anything is."""
        if found is None or found in self.allowed:
            return None
        return f"gave {found[:60]!r} instead of {sorted(value[:60] for value in self.allowed)}"
