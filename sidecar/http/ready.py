"""Heads of answers to GETs: of hits, where they depend on the entry alone, and of misses.

`Age`, `Cache-Control` and `Date` count seconds, so all hits of one entry within a second may be
answered with the same head. Making it takes longer than everything else that a hit in L1 needs, so
L1's are kept for that second: L1 keeps entries ready to be sent. The others are made by one format,
which takes a third of the time of `lines_of_hit` and `head_of`.
"""

from __future__ import annotations

from sidecar.api.values import MAX_TTL_SECONDS
from sidecar.http.coded import VARY
from sidecar.http.hits import LINES_OF_HIT, lines_of_hit
from sidecar.http.messages import LARGE_BYTES, STATUS_LINES, head_of, http_date
from sidecar.http.written import reply_to_miss
from sidecar.model.clock import Clock
from sidecar.model.entry import L1, Hit
from sidecar.tiers.packing import LEAST_BYTES

MOST_HEADS = 1024
"""The most heads that are kept, of about 250 bytes each; L1 is meant for fewer entries."""


_HIT = f"{STATUS_LINES[200]}Content-Type: %s\r\n{LINES_OF_HIT}Content-Length: %d\r\n%s\r\n"
_HIT_THAT_VARIES = _HIT.removesuffix("\r\n") + f"{VARY}\r\n"
"""Of a value that other clients may get coded."""


class ReadyHeads:
    """Makes the heads, and keeps those of this second: of hits in L1, by version, and of misses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._date = ""
        self._heads: dict[int, bytes] = {}
        self._miss: tuple[bytes, bytes] | None = None

    def of(self, hit: Hit) -> bytes | None:
        """The head of the answer to a GET with the value as it was put, which follows it.

        None if the value is large, or if no head can be made of what L3 gave.
        """
        if len(hit.value) > LARGE_BYTES:
            return None
        now = self._clock()
        second = int(now)
        if second != self._second:
            self._begin(second)
        if hit.tier is not L1 or hit.entry.terms is not None:  # of which hits change the life
            return self._head(hit, now)
        seq = hit.entry.seq
        head = self._heads.get(seq)
        if head is None:
            head = self._head(hit, now)
            if head is not None and len(self._heads) < MOST_HEADS:
                self._heads[seq] = head
        return head

    def of_miss(self) -> tuple[bytes, bytes]:
        """The head and the body of the answer to a GET of a valid name that has no entry."""
        second = int(self._clock())
        if second != self._second:
            self._begin(second)
        if self._miss is None:
            reply = reply_to_miss()
            self._miss = head_of(reply.status, reply.headers, len(reply.body)), reply.body
        return self._miss

    def _begin(self, second: int) -> None:
        self._second = second
        self._date = http_date()
        self._heads.clear()
        self._miss = None

    def _head(self, hit: Hit, now: float) -> bytes | None:
        entry, size = hit.entry, len(hit.value)
        age, left = now - entry.times.real, entry.times.imag - now
        try:
            if age >= 0 and 0 <= left < MAX_TTL_SECONDS and entry.terms is None:
                times = int(age), int(left)
                form = _HIT if size < LEAST_BYTES else _HIT_THAT_VARIES
                head = form % (entry.content_type, entry.seq, *times, hit.tier, size, self._date)
                return head.encode("latin-1")
            lines = f"Content-Type: {entry.content_type}\r\n{lines_of_hit(hit, now)}"
            if size >= LEAST_BYTES:
                lines += VARY
            return head_of(200, lines, size)
        except (ValueError, OverflowError):  # no times, or no content type
            return None
