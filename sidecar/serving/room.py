"""Makes room for a new connection at the limit: connections that send nothing give way to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from heapq import nsmallest
from typing import Protocol

from sidecar.serving.limits import Limits

SHARE_AT_ONCE = 1 / 32
"""Of the limit: looking for them takes up to a millisecond, which one of them is not worth."""
LOOK_SECONDS = 0.1
"""The pause after a look that found none."""


class Connection(Protocol):
    """What is asked of a connection here."""

    @property
    def source(self) -> str:
        """The address of the client; empty on a Unix socket."""

    @property
    def silent_since(self) -> float | None:
        """When it last began or answered a request, by the event loop's clock; None while it waits
        for an answer.
        """

    def give_way(self) -> None:
        """Close it now."""


class Room:
    """Closes connections that have been silent for longer than the limits allow at their limit.

    Those of the source that has the most go first, and of these the ones that have been silent the
    longest, so that no source can keep others out.
    """

    def __init__(self, connections: Collection[Connection], limits: Limits) -> None:
        self._connections = connections
        self._limits = limits
        self._next_look = 0.0

    def make(self) -> bool:
        """Whether there is room now. O(n) in connections, at most once in LOOK_SECONDS unless it
        closes some.
        """
        now = asyncio.get_running_loop().time()
        if now < self._next_look:
            return False
        latest = now - self._limits.silent_seconds
        silent = [
            (connection, since)
            for connection in self._connections
            if (since := connection.silent_since) is not None and since <= latest
        ]
        if not silent:
            self._next_look = now + LOOK_SECONDS
            return False
        crowds = Counter(connection.source for connection in self._connections)
        count = max(1, int(self._limits.connections * SHARE_AT_ONCE))
        for connection, _ in nsmallest(
            count, silent, key=lambda each: (-crowds[each[0].source], each[1])
        ):
            connection.give_way()
        return True
