"""What a cache may answer, whatever happens to it."""

from __future__ import annotations

from collections.abc import Callable
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
    tagged: set[bytes] = field(default_factory=set)
    """Those values that were put with the key's tag."""

    def put(self, value: bytes, *, answered: bool, durable: bool, tagged: bool = False) -> None:
        self.allowed = {value} if answered else {*self.allowed, value}
        self.durable = durable
        self.tagged &= self.allowed
        if tagged:
            self.tagged.add(value)

    def invalidate_tag(self, *, answered: bool) -> None:
        if answered:
            self.allowed -= self.tagged
        self.durable = False

    def delete(self, *, answered: bool) -> None:
        if answered:
            self.allowed = set()
        self.durable = False

    def change(
        self,
        new: Callable[[bytes | None], bytes],
        fits: Callable[[bytes], bool] | None,
        *,
        durable: bool,
        was_there: bool,
    ) -> str | None:
        """A write of what `new` makes of the value that was there, which the answer `fits`; None if
        there was no answer. `was_there` is whether the value can't have been missing. Returns what
        is wrong with the answer, if anything is.
        """
        olds: set[bytes | None] = {*self.allowed}
        if not (was_there and self.durable):
            olds.add(None)
        made = {new(old) for old in olds}
        if fits is None:
            self.allowed |= made
            self.durable = False
            return None
        fitting = {value for value in made if fits(value)}
        wrong = None if fitting else f"none of {sorted(value[:60] for value in made)} fits"
        self.allowed = fitting
        self.durable = durable and bool(fitting)
        return wrong

    def wrong(self, found: bytes | None) -> str | None:
        """What is wrong with this answer to a read, if anything is."""
        if found is None or found in self.allowed:
            return None
        return f"gave {found[:60]!r} instead of {sorted(value[:60] for value in self.allowed)}"


@dataclass
class Group:
    """Keys that are always written together. Each may be forgotten; those that are there are of the
    same write.
    """

    keys: list[Key]

    def put(self, values: list[bytes], *, answered: bool, durable: bool) -> None:
        for key, value in zip(self.keys, values, strict=True):
            key.put(value, answered=answered, durable=durable)

    def wrong(self, found: list[bytes | None]) -> str | None:
        """What is wrong with this answer to a read of all of them, if anything is."""
        for key, value in zip(self.keys, found, strict=True):
            if wrong := key.wrong(value):
                return wrong
        writes = {value.split(b"/")[0] for value in found if value is not None}
        return f"gave values of the writes {sorted(writes)} at once" if len(writes) > 1 else None
