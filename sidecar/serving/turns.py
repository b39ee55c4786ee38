"""Whether a listener is asked more than it can answer in time, by the length of the loop's turns.

A hit in memory never waits in this process: its request waits in the kernel until the event loop
reads it, and its answer until the loop has read all others that are ready. That is one turn. So the
requests of one turn are the queue, and a turn takes as long as each of them waits. Where more than
1,024 connections are ready, libuv asks for others before its loop goes on: a turn ends as well when
a connection is read again.

As in CoDel (K. Nichols, V. Jacobson: "Controlling Queue Delay", 2012) a queue that drains is no
overload, only one that stands: many connections may ask at the same moment, and are answered for
BURST_SECONDS. If two turns in succession have more requests than can be answered in TARGET_SECONDS,
those that come later in a turn are refused, until no turn has been as long for HOLD_SECONDS. What a
request costs is measured, so that nobody has to state it. Few connections can't ask too much, and
are not watched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

TARGET_SECONDS = 0.024
"""A request waits for the rest of one turn and for its own, so at most twice as long."""
BURST_SECONDS = 0.032
"""As long as a turn may take that follows no other long one."""
HOLD_SECONDS = 2.0
FEW_CONNECTIONS = 32
LEAST_REQUESTS = 8
"""A turn with fewer says little about the cost of one."""
WEIGHT = 0.1
"""Of one turn, in the mean cost of a request."""
MOST_TIMES_MEAN = 4.0
"""The most that one turn counts: the process may have been stopped for a moment."""
AT_ONCE = 16
"""Requests that are admitted in an overload without another look at the clock."""


class Turns:
    """The requests of each turn. `watched` and `left` are asked for each request, so they are plain
    attributes: whoever takes a request takes one of what is `left`, and asks `admits` if there was
    none.
    """

    __slots__ = (
        "_began_at",
        "_clock",
        "_given",
        "_has_begun",
        "_is_ending",
        "_was_long",
        "left",
        "most",
        "number",
        "refuses",
        "refuses_until",
        "request_seconds",
        "watched",
    )

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self.watched = False
        """Whether there are enough connections for an overload."""
        self.left = 0
        """Of the requests that this turn may have for sure; negative by those beyond."""
        self.refuses = False
        """Whether requests above `most` are refused now."""
        self.most = FEW_CONNECTIONS
        """Requests that a turn may have."""
        self.request_seconds = 0.0
        self.refuses_until = 0.0
        self.number = 0
        """Of this turn."""
        self._given = 0
        self._has_begun = False
        self._is_ending = False
        self._was_long = False
        self._began_at = 0.0

    def count_connections(self, connections: int) -> None:
        self.watched = connections > FEW_CONNECTIONS

    def admits(self, *, has_waited: bool) -> bool:
        """Whether a request may be answered for which nothing was left. One that `has_waited` while
        its connection rested has no time left.
        """
        if not self._has_begun:
            self._has_begun = True
            self._began_at = self._clock()
            if not self._is_ending:
                self._is_ending = True
                asyncio.get_running_loop().call_soon(self._end)
            if not self.refuses:
                self._give(self.most)
        if has_waited or self.left >= 0:
            return not has_waited
        seconds = self._clock() - self._began_at
        if not self.refuses:
            return seconds < (TARGET_SECONDS if self._was_long else BURST_SECONDS)
        if self._requests > self.most or seconds >= TARGET_SECONDS:
            return False
        self._give(min(AT_ONCE, 1 + self.most - self._requests))
        return True

    @property
    def _requests(self) -> int:
        return self._given - self.left

    def _give(self, requests: int) -> None:
        self._given += requests
        self.left += requests

    def _end(self) -> None:
        """Called when the loop begins its next turn."""
        self._is_ending = False
        self.end()

    def end(self) -> None:
        """The next turn begins: what was answered in this one has been sent."""
        if not self._has_begun:
            return
        now, requests = self._clock(), self._requests
        self.number += 1
        self._given = self.left = 0
        self._has_begun = False
        if requests >= LEAST_REQUESTS:
            seconds = (now - self._began_at) / requests
            mean = self.request_seconds or seconds
            seconds = min(seconds, MOST_TIMES_MEAN * mean)
            self.request_seconds = mean + WEIGHT * (seconds - mean)
            self.most = max(FEW_CONNECTIONS, int(TARGET_SECONDS / self.request_seconds))
        is_long = requests > self.most
        if is_long and (self._was_long or self.refuses):
            self.refuses_until = now + HOLD_SECONDS
        self._was_long = is_long
        self.refuses = now < self.refuses_until
