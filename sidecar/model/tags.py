"""Which tags were invalidated, and when: a write number for each tag.

An entry is invalidated if one of its tags has a later number than the entry. So invalidating a tag
takes the same time however many entries carry it, and only reads of entries with tags pay for it.

The table is bounded. Once a sweep has removed all that a tag covers, it is dropped. Where more are
invalidated than sweeps can follow, the oldest numbers become one, the floor: all entries with tags
that are older are taken to be gone, whatever their tags. A cache may forget and may not lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

MOST_TAGS = 1 << 15
"""About 130 bytes each."""
FOLDED_AT_ONCE = 1 << 10
CROWDED = MOST_TAGS // 4
"""From so many on, they are worth a sweep of their own."""


NO_TAG = 0
MOST_SOFTENED = 1 << 10


class Tags:
    """The marks of tags (`terms.mark_of`), with write numbers: as a rule the oldest first."""

    def __init__(self, most: int = MOST_TAGS) -> None:
        self._most = most
        self._seq_of: dict[int, int] = {}
        self.floor = 0
        """Entries with tags and a lower number are gone."""
        self.forgotten = 0
        """Tags up to this number may have been dropped."""
        self.any = False
        self._newest = 0

    def __len__(self) -> int:
        return len(self._seq_of)

    @property
    def crowded(self) -> bool:
        return len(self._seq_of) >= min(CROWDED, self._most // 4)

    @property
    def newest(self) -> int:
        """The highest number so far."""
        return max(self.floor, self._newest)

    def add(self, mark: int, seq: int) -> list[int]:
        """Invalidate a tag; returns the marks that have become a part of the floor."""
        self.any = True
        self._newest = max(self._newest, seq)
        before = self._seq_of.pop(mark, 0)
        self._seq_of[mark] = max(before, seq)
        if len(self._seq_of) <= self._most:
            return []
        folded = list(islice(self._seq_of, min(FOLDED_AT_ONCE, self._most)))
        self.floor = max(self.floor, *(self._seq_of.pop(each) for each in folded))
        return folded

    def raise_floor(self, seq: int) -> None:
        """Invalidate all entries with tags that are older than this number."""
        self.floor = max(self.floor, seq)
        self.any = self.any or seq > 0

    def covering(self, marks: Sequence[int]) -> int:
        """The highest number among these tags; 0 if there are none."""
        if not marks:
            return 0
        find = self._seq_of.get
        return max(self.floor, *(find(mark, 0) for mark in marks))

    def discard(self, mark: int) -> bool:
        """Drop a tag, whatever its number. Whether it was there."""
        found = self._seq_of.pop(mark, None) is not None
        self.any = bool(self._seq_of or self.floor)
        return found

    def drop_floor(self) -> None:
        self.floor = 0
        self.any = bool(self._seq_of)

    def items(self) -> list[tuple[int, int]]:
        """The marks and their numbers, the oldest first; the floor as that of no tag."""
        floor = [(NO_TAG, self.floor)] if self.floor else []
        return [*floor, *self._seq_of.items()]

    def covers(self, marks: Sequence[int], seq: int) -> bool:
        """Whether a version with these tags, if any, has been invalidated."""
        if seq < self.floor and marks:
            return True
        find = self._seq_of.get
        return any(seq < find(mark, 0) for mark in marks)

    def forget(self, up_to_seq: int, most: int = MOST_TAGS) -> list[int]:
        """Drop up to `most` tags numbered up to `up_to_seq`, and the floor if it is: a sweep has
        removed all that they cover. Returns their marks.
        """
        done: list[int] = []
        for mark, seq in islice(self._seq_of.items(), most):
            if seq > up_to_seq:
                break
            done.append(mark)
        for mark in done:
            del self._seq_of[mark]
        self.forgotten = max(self.forgotten, up_to_seq)
        if self.floor <= up_to_seq:
            self.floor = 0
        self.any = bool(self._seq_of or self.floor)
        return done
