"""Closing idle connections after a time that can change while they are open, and those that do not
end by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from sidecar.serving.admission import Admission

LEAST_IDLE_SECONDS = 1.0
"""Below it a client that asks once a second would connect for every request."""
LOOK_SECONDS = 1.0


class Connection(Protocol):
    """What is asked of a connection here. Times are of the event loop's clock."""

    def end_if_idle_since(self, moment: float) -> None:
        """Close it if it has been idle since before `moment`."""

    def end_if_closing(self, now: float) -> None:
        """End it if it has been closing for too long, since its client does not read."""


class IdleConnections:
    """Looks at all connections once a second. It closes those that have been idle for longer than
    their admission allows now.

    The limit of the listener, `limits.idle_seconds`, is its own to enforce: it is the longest there
    is. A shorter one is enforced here.
    """

    def __init__(self, connections: Iterable[Connection], admission: Admission) -> None:
        self._connections = connections
        self._most_seconds = admission.limits.idle_seconds
        self._seconds = self._most_seconds
        self._since = 0.0
        self._loop = asyncio.get_running_loop()
        self._next_look = self._loop.call_later(LOOK_SECONDS, self._look)
        admission.follow_keepalive(self._close_after)

    def stop(self) -> None:
        self._next_look.cancel()

    def _close_after(self, seconds: float) -> None:
        """From the next idle period of each connection on; one that has begun starts again now."""
        seconds = max(LEAST_IDLE_SECONDS, seconds)
        if seconds != self._seconds:
            self._seconds = seconds
            self._since = self._loop.time()

    def _look(self) -> None:
        now = self._loop.time()
        begun_before = now - self._seconds
        is_shorter = self._seconds < self._most_seconds and self._since <= begun_before
        for connection in [*self._connections]:
            connection.end_if_closing(now)
            if is_shorter:
                connection.end_if_idle_since(begun_before)
        self._next_look = self._loop.call_later(LOOK_SECONDS, self._look)
