"""How many requests may wait in a queue of L3 and still be answered in time.

As in CoDel (K. Nichols, V. Jacobson: "Controlling Queue Delay", 2012) a long queue that drains is
no overload, such as that of one request for a thousand keys. If all that are answered during
PATIENCE_SECONDS have waited for longer than they should, those that come are refused, so that
those that wait are as many as are answered in that time. By Little's law, that is the length of the
queue times the time they should wait over the time they do; it is adjusted to that again and again,
since L3 is slower if it has less to do at once. It ends when nobody has been refused for
HOLD_SECONDS. A few may always wait, however slow L3 is.
"""

from __future__ import annotations

import sys

WAIT_SECONDS = 0.01
"""Before that, a request has waited in the kernel for a turn of the loop, and its answer waits for
another: with 2,000 connections, the slowest of a hundred take four times as long in all.
"""
SYNCED_WAIT_SECONDS = 0.2
"""The same of writes that are fsynced. All that come during an fsync wait for that and the next one
or two, and would wait no less if they were fewer.
"""
PATIENCE_SECONDS = 0.1
SPAN_SECONDS = 0.1
HOLD_SECONDS = 2.0
FEW = 32
MOST_LESS, MOST_MORE = 0.5, 1.25
"""By which factor the limit may change at a time."""


class Crowd:
    """One queue."""

    __slots__ = (
        "_answers",
        "_has_refused",
        "_long_since",
        "_span_ends",
        "_until",
        "_waited",
        "most",
        "wait_seconds",
    )

    def __init__(self) -> None:
        self.most = sys.maxsize
        """Requests that may wait; unlimited unless there is an overload."""
        self.wait_seconds = WAIT_SECONDS
        """The longest that a request should wait."""
        self._long_since: float | None = None
        self._has_refused = False
        self._until = 0.0  # the end of the overload
        self._span_ends = 0.0
        self._answers = 0  # in this span
        self._waited = 0.0  # for them, in all

    def is_full(self, waiting: int) -> bool:
        """Whether so many wait that one more would not be answered in time, and is refused."""
        if waiting < self.most:
            return False
        self._has_refused = True
        return True

    def answered(self, waited: float, waiting: int, now: float) -> None:
        """Some were answered, the last of whom has waited for so many seconds, and so many still
        wait; `now` is of the monotonic clock.
        """
        if waited < self.wait_seconds or waiting < FEW:
            self._long_since = None
        elif self._long_since is None:
            self._long_since = now
        elif now - self._long_since > PATIENCE_SECONDS and self.most == sys.maxsize:
            self._limit(waiting, self.wait_seconds / waited, now)
        if self.most == sys.maxsize:
            return
        self._answers += 1
        self._waited += waited
        if now < self._span_ends:
            return
        mean = self._waited / self._answers
        if self._has_refused and mean < self.wait_seconds / MOST_MORE:
            self._limit(self.most, MOST_MORE, now)
        elif self._has_refused:
            self._limit(self.most, max(MOST_LESS, self.wait_seconds / mean), now)
        elif now >= self._until:
            self.most = sys.maxsize

    def _limit(self, waiting: int, factor: float, now: float) -> None:
        self.most = max(FEW, int(waiting * factor))
        self._until = now + HOLD_SECONDS
        self._span_ends = now + SPAN_SECONDS
        self._answers, self._waited = 0, 0.0
        self._has_refused = False
