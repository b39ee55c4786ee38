"""Which Events to write, and when. Pure: it is told the time and writes nothing.

The same announcement again is not another Event but a series: its count rises, by a patch. A token
bucket limits writes of either kind, since a thousand pods may have the same trouble. What is not
written for want of a token is not lost: its count waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sidecar.model.announcement import Announcement

BURST = 10
"""Writes that may follow each other at once."""
REFILL_SECONDS = 60.0
"""For one more write."""
SERIES_SECONDS = 1800.0
"""After so long without it, an announcement is a new one: a server keeps an Event for an hour."""
MOST_OPEN = 32
"""Different announcements that are remembered; the oldest gives way."""


@dataclass(slots=True)
class Series:
    """One announcement and how often. Times are wall clock seconds."""

    announcement: Announcement
    first_at: float
    last_at: float
    count: int = 1
    name: str | None = None
    """Of the Event, once there is one."""
    written: int = 0
    """The count that the Event has."""


class Ledger:
    """`wall` is for what the Events say, `clock` for the bucket; it never goes back."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._clock = clock
        self._wall = wall
        self._open: dict[Announcement, Series] = {}
        self._tokens = float(BURST)
        self._counted_at = clock()

    def put(self, announcement: Announcement) -> None:
        """It has happened now."""
        now = self._wall()
        series = self._open.pop(announcement, None)
        if series is None or now - series.last_at > SERIES_SECONDS:
            series = Series(announcement, now, now)
        else:
            series.count, series.last_at = series.count + 1, now
        self._open[announcement] = series
        if len(self._open) > MOST_OPEN:
            del self._open[next(iter(self._open))]

    def due(self) -> Series | None:
        """What to write now, at the cost of a token; the longest unwritten first."""
        waiting = (it for it in self._open.values() if it.written < it.count)
        series = min(waiting, key=lambda it: it.last_at, default=None)
        if series is None or self.wait_seconds() > 0:
            return None
        self._tokens -= 1
        return series

    @property
    def waiting(self) -> bool:
        """Whether anything is to be written, now or later."""
        return any(it.written < it.count for it in self._open.values())

    def wait_seconds(self) -> float:
        """Until there is a token."""
        now = self._clock()
        self._tokens = min(BURST, self._tokens + (now - self._counted_at) / REFILL_SECONDS)
        self._counted_at = now
        return max(0.0, (1 - self._tokens) * REFILL_SECONDS)

    def forget(self) -> None:
        """Nothing of what is open is wanted any more."""
        self._open.clear()
