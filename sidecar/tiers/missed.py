"""What L3 has missed since it went away: keys that were written, scopes and tags invalidated.

L3 does not change while it is away, so one deletion of a key stands for all later writes to it. It
is bounded by the size of its record on the volume (`l3.record`). Beyond that it is lost: it no
longer matters what else is missed, since L3 has to be emptied.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import starmap

from sidecar.l3.record import item_of
from sidecar.l3.witness import MOST_RECORD_BYTES
from sidecar.model.tags import MOST_TAGS
from sidecar.model.writes import Delete, Invalidate, InvalidateTags, Renew, Write

SEQ_BYTES = 8
"""What an item may grow by, as its number does."""


class Missed:
    """Writes that L3 lacks, by key, scope and tag, with their latest numbers."""

    def __init__(self, most_bytes: int = MOST_RECORD_BYTES) -> None:
        self._most_bytes = most_bytes
        self._keys: dict[bytes, int] = {}
        self._scopes: dict[bytes, int] = {}
        self._tags: dict[int, int] = {}
        self._floor = 0
        self._bytes = 0  # of all items, at most
        self._news: list[bytes] = []
        self.overflowed = False
        """Whether more was missed than it holds."""

    def add(self, write: Write) -> bool:
        """Add a write. Whether that is news for the record."""
        if self.overflowed:
            return False
        if isinstance(write, InvalidateTags):
            return self._add_tags(write)
        if isinstance(write, Renew):
            return False  # the version in L3 just expires sooner
        seqs, name = (
            (self._scopes, write.scope)
            if isinstance(write, Invalidate)
            else (self._keys, write.key)
        )
        seq = write.seq
        known = seqs.get(name)
        if known is not None:
            if seq > known:  # it may be of an earlier process
                seqs[name] = seq
            return False
        seqs[name] = seq
        self._note(write if isinstance(write, Invalidate) else Delete(write.key, seq))
        return True

    def _add_tags(self, write: InvalidateTags) -> bool:
        """L3 does not change while it is away, so it is enough that it knows each tag once."""
        marks = [mark for mark in write.marks if mark not in self._tags]
        for mark in write.marks:
            self._tags[mark] = max(write.seq, self._tags.get(mark, 0))
        floor = max(self._floor, write.floor)
        if len(self._tags) > MOST_TAGS:
            floor = max(floor, *self._tags.values())
            self._tags.clear()
            marks = []
        is_raised, self._floor = floor > self._floor, floor
        if not (marks or is_raised):
            return False
        self._note(InvalidateTags(marks, write.seq, floor))
        return True

    def _note(self, write: Write) -> None:
        item = item_of(write)
        self._bytes += len(item) + SEQ_BYTES
        self._news.append(item)
        if self._bytes > self._most_bytes:
            self.overflow()

    def overflow(self) -> None:
        """More was missed than is known."""
        self.clear()
        self.overflowed = True

    @property
    def any(self) -> bool:
        """Whether L3 has missed anything."""
        return bool(self._keys or self._scopes or self._tags or self._floor) or self.overflowed

    def writes(self) -> list[Write]:
        """All of them, in the order of their numbers."""
        return sorted(self._all(), key=lambda write: write.seq)

    def news(self) -> bytes:
        """The items that were added since this was called last."""
        items = b"".join(self._news)
        self._news.clear()
        return items

    def items(self) -> bytes:
        """All items."""
        self._news.clear()
        return b"".join(map(item_of, self._all()))

    def clear(self) -> None:
        """L3 has all of it, or is empty."""
        self._keys.clear()
        self._scopes.clear()
        self._tags.clear()
        self._floor = 0
        self._news.clear()
        self._bytes = 0
        self.overflowed = False

    def _all(self) -> Iterator[Write]:
        yield from starmap(Delete, self._keys.items())
        yield from starmap(Invalidate, self._scopes.items())
        for mark, seq in self._tags.items():
            yield InvalidateTags([mark], seq)
        if self._floor:
            yield InvalidateTags([], self._floor, self._floor)
