"""Closing idle connections after a time that can change while they are open."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from sidecar.serving.admission import Admission

LEAST_IDLE_SECONDS = 1.0
"""Below it a client that asks once a second would connect for every request."""
LOOK_SECONDS = 1.0


class Connection(Protocol):
    """What is asked of a connection here."""

    def end_if_idle_since(self, moment: float) -> None:
        """Close it if it has been idle since before `moment`, of the event loop's clock."""


class IdleConnections:
    """Closes connections that have been idle for longer than their admission allows now.

    The limit of the listener, `limits.idle_seconds`, is its own to enforce: it is the longest there
    is. A shorter one is enforced here, by a look at all connections once a second.
    """

    def __init__(self, connections: Iterable[Connection], admission: Admission) -> None:
        self._connections = connections
        self._most_seconds = admission.limits.idle_seconds
        self._seconds = self._most_seconds
        self._since = 0.0
        self._next_look: asyncio.TimerHandle | None = None
        admission.follow_keepalive(self._close_after)

    def stop(self) -> None:
        if self._next_look is not None:
            self._next_look.cancel()

    def _close_after(self, seconds: float) -> None:
        """From the next idle period of each connection on; one that has begun starts again now."""
        seconds = max(LEAST_IDLE_SECONDS, seconds)
        if seconds == self._seconds:
            return
        self._seconds = seconds
        loop = asyncio.get_running_loop()
        self._since = loop.time()
        if self._next_look is None and seconds < self._most_seconds:
            self._next_look = loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._next_look = None
        if self._seconds >= self._most_seconds:
            return
        loop = asyncio.get_running_loop()
        begun_before = loop.time() - self._seconds
        if self._since <= begun_before:
            for connection in [*self._connections]:
                connection.end_if_idle_since(begun_before)
        self._next_look = loop.call_later(LOOK_SECONDS, self._look)
