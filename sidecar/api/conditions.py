"""What names a version, and under which condition a write, or a read, of an entry is wanted."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.model.entry import Entry


def etag(entry: Entry) -> str:
    """Its ETag: unique for each write."""
    return f'"{entry.seq:x}"'


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions of an entry: those of these sequence numbers, or any."""

    seqs: frozenset[int] = frozenset()
    any: bool = False

    def include(self, entry: Entry | None) -> bool:
        """Whether there is an entry, and it is one of these versions."""
        return entry is not None and (self.any or entry.seq in self.seqs)


@dataclass(frozen=True, slots=True)
class Condition:
    """The version in force is one of `only_if`, and none of `unless`. None asks for nothing.

    A write that only adds has `unless=Versions(any=True)`.
    """

    only_if: Versions | None = None
    unless: Versions | None = None

    def holds(self, entry: Entry | None) -> bool:
        """Whether it holds where `entry` is in force; None where there is no entry."""
        if self.only_if is not None and not self.only_if.include(entry):
            return False
        return self.unless is None or not self.unless.include(entry)
