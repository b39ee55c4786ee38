"""What L3 has missed since it went away: the keys that were written, and the invalidations.

L3 does not change while it is away, so one deletion of a key stands for all later writes to it. It
is bounded by the size of its record on the volume (`l3.record`). Beyond that it is lost: it no
longer matters what else is missed, since L3 has to be emptied.
"""

from __future__ import annotations

from sidecar.l3.record import item_of
from sidecar.l3.witness import MOST_RECORD_BYTES
from sidecar.model.writes import Delete, Invalidate, Write


class Missed:
    """Writes that L3 lacks, by key and by scope, with their latest numbers."""

    def __init__(self, most_bytes: int = MOST_RECORD_BYTES) -> None:
        self._most_bytes = most_bytes
        self._writes: dict[tuple[bool, bytes], Delete | Invalidate] = {}
        self._items: dict[tuple[bool, bytes], bytes] = {}
        self._bytes = 0
        self._news: list[bytes] = []
        self.overflowed = False
        """Whether more was missed than it holds."""

    def add(self, write: Write) -> bool:
        """Add a write. Whether that is news for the record."""
        if self.overflowed:
            return False
        new: Delete | Invalidate
        if isinstance(write, Invalidate):
            new, name = write, (True, write.scope)
        else:
            new, name = Delete(write.key, write.seq), (False, write.key)
        known = self._writes.get(name)
        if known is not None and known.seq >= new.seq:  # of an earlier process
            return False
        self._writes[name] = new
        self._items[name] = item = item_of(new)
        if known is None:
            self._bytes += len(item)
            self._news.append(item)
        if self._bytes > self._most_bytes:
            self.overflow()
        return known is None

    def overflow(self) -> None:
        """More was missed than is known."""
        self.clear()
        self.overflowed = True

    @property
    def any(self) -> bool:
        """Whether L3 has missed anything."""
        return bool(self._writes) or self.overflowed

    def writes(self) -> list[Delete | Invalidate]:
        """All of them, in the order of their numbers."""
        return sorted(self._writes.values(), key=lambda write: write.seq)

    def news(self) -> bytes:
        """The items that were added since this was called last."""
        items = b"".join(self._news)
        self._news.clear()
        return items

    def items(self) -> bytes:
        """All items."""
        self._news.clear()
        return b"".join(self._items.values())

    def clear(self) -> None:
        """L3 has all of it, or is empty."""
        self._writes.clear()
        self._items.clear()
        self._news.clear()
        self._bytes = 0
        self.overflowed = False
