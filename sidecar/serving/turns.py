"""Whether a listener is asked more than it can answer in time, by the length of the loop's turns.

A hit in memory never waits in this process: its request waits in the kernel until the event loop
reads it, and its answer until the loop has read all others that are ready. That is one turn. So the
requests of one turn are the queue, and a turn takes as long as each of them waits.

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

TARGET_SECONDS = 0.016
"""A request waits for the rest of one turn and for its own, so at most twice as long."""
BURST_SECONDS = 0.032
"""As long as a turn may take that follows no other long one."""
HOLD_SECONDS = 2.0
FEW_CONNECTIONS = 32
LEAST_REQUESTS = 8
"""A turn with fewer says little about the cost of one."""
WEIGHT = 0.1
"""Of one turn, in the mean cost of a request."""


class Turns:
    """The requests of each turn. `watched` and `refuses` are read for every piece of data, so they
    are plain attributes.
    """

    __slots__ = (
        "_began_at",
        "_clock",
        "_was_long",
        "most",
        "number",
        "refuses",
        "refuses_until",
        "request_seconds",
        "requests",
        "watched",
    )

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self.watched = False
        """Whether there are enough connections for an overload."""
        self.refuses = False
        """Whether requests above `most` are refused now."""
        self.requests = 0
        """In this turn."""
        self.number = 0
        """Of this turn."""
        self.most = FEW_CONNECTIONS
        """Requests that a turn may have."""
        self.request_seconds = 0.0
        self.refuses_until = 0.0
        self._was_long = False
        self._began_at = 0.0

    def count_connections(self, connections: int) -> None:
        self.watched = connections > FEW_CONNECTIONS

    def admits(self, resumed_in: int) -> bool:
        """Count a request, and tell whether it may be answered. After a rest, its connection was
        read again in turn `resumed_in`: a request that has waited for that has no time left.
        """
        if self.requests == 0:
            self._began_at = self._clock()
            asyncio.get_running_loop().call_soon(self._end)
        self.requests += 1
        if self.requests <= self.most and not self.refuses:
            return True
        seconds = self._clock() - self._began_at
        if not self.refuses:
            return seconds < (TARGET_SECONDS if self._was_long else BURST_SECONDS)
        return (
            self.requests <= self.most and self.number > resumed_in + 1 and seconds < TARGET_SECONDS
        )

    def _end(self) -> None:
        """Called when the next turn begins: what was answered in this one has been sent."""
        now, requests = self._clock(), self.requests
        self.requests = 0
        self.number += 1
        if requests >= LEAST_REQUESTS:
            seconds = (now - self._began_at) / requests
            mean = self.request_seconds or seconds
            self.request_seconds = mean + WEIGHT * (seconds - mean)
            self.most = max(FEW_CONNECTIONS, int(TARGET_SECONDS / self.request_seconds))
        is_long = requests > self.most
        if is_long and (self._was_long or self.refuses):
            self.refuses_until = now + HOLD_SECONDS
        self._was_long = is_long
        self.refuses = now < self.refuses_until
