"""Heads of answers to hits in L1, each made once a second: L1 keeps entries ready to be sent.

`Age`, `Cache-Control` and `Date` count seconds, so all hits of one entry within a second may be
answered with the same head. Making it takes longer than everything else that a hit needs.
"""

from __future__ import annotations

from sidecar.http.data import lines_of_hit
from sidecar.http.messages import Reply
from sidecar.model.clock import Clock
from sidecar.model.entry import Hit

MOST_HEADS = 1024
"""The most heads that are kept, of about 250 bytes each; L1 is meant for fewer entries."""


class ReadyHeads:
    """The heads of this second, by the version of the entry."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = 0
        self._heads: dict[int, bytes] = {}

    def of(self, hit: Hit) -> bytes:
        """The head of the answer to a hit in L1, for a request without conditions."""
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._heads.clear()
        seq = hit.entry.seq
        head = self._heads.get(seq)
        if head is None:
            lines = f"Content-Type: {hit.entry.content_type}\r\n{lines_of_hit(hit, now)}"
            head = Reply(200, lines, hit.value).head()
            if len(self._heads) < MOST_HEADS:
                self._heads[seq] = head
        return head
