"""Which Events to write, and when. Pure: time is a parameter, and it writes nothing.

A repeated announcement is not another Event but a series, whose count is patched. A token bucket
limits both kinds of writes, since a thousand pods may have the same problem. Without a token a
write is delayed and not dropped. Problems are written first, have tokens that nothing else takes,
and are never dropped for what is none. One that has no Event yet comes before those whose count has
risen, so that problems which repeat do not delay it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sidecar.model.announcement import Announcement

BURST = 10
"""The largest burst of writes."""
RESERVED = 5
"""The tokens of a full bucket that are only for problems."""
REFILL_SECONDS = 60.0
"""The time after which one more write is allowed."""
SERIES_SECONDS = 1800.0
"""After this long an announcement starts a new series: a server keeps an Event for an hour."""
MOST_OPEN = 32
"""The number of different announcements that are tracked; the oldest is replaced."""


@dataclass(slots=True)
class Series:
    """An announcement and its count. Times are wall clock seconds."""

    announcement: Announcement
    first_at: float
    last_at: float
    count: int = 1
    name: str | None = None
    """The name of the Event, once it exists."""
    waits_since: float = 0.0
    """When the first one happened that is not in the Event."""
    written: int = 0
    """The count in the Event."""

    def order(self) -> tuple[bool, bool, float]:
        """Its turn among those that wait."""
        return not self.announcement.problem, self.written > 0, self.waits_since


class Ledger:
    """`wall` is for timestamps in Events, the monotonic `clock` for the bucket."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._clock = clock
        self._wall = wall
        self._open: dict[Announcement, Series] = {}
        self._tokens = float(BURST)
        self._counted_at = clock()

    def put(self, announcement: Announcement) -> None:
        """Record an announcement now."""
        now = self._wall()
        series = self._open.pop(announcement, None)
        if series is None or now - series.last_at > SERIES_SECONDS:
            series = Series(announcement, now, now, waits_since=now)
        else:
            if series.written == series.count:
                series.waits_since = now
            series.count, series.last_at = series.count + 1, now
        self._open[announcement] = series
        if len(self._open) > MOST_OPEN:
            del self._open[min(self._open, key=self._worth)]

    def _worth(self, announcement: Announcement) -> tuple[bool, bool]:
        """What is written is in an Event, and only its count would be lost."""
        series = self._open[announcement]
        return series.written < series.count, announcement.problem

    def due(self) -> Series | None:
        """The next series to write, for one token: a problem, else the longest waiting."""
        series = self._next()
        if series is None or self.wait_seconds() > 0:
            return None
        self._tokens -= 1
        return series

    @property
    def waiting(self) -> bool:
        """Whether there is anything to write, now or later."""
        return self._next() is not None

    def wait_seconds(self) -> float:
        """The time until there is a token for the next series."""
        now = self._clock()
        self._tokens = min(BURST, self._tokens + (now - self._counted_at) / REFILL_SECONDS)
        self._counted_at = now
        series = self._next()
        needed = 1 if series is None or series.announcement.problem else 1 + RESERVED
        return max(0.0, (needed - self._tokens) * REFILL_SECONDS)

    def _next(self) -> Series | None:
        waiting = (it for it in self._open.values() if it.written < it.count)
        return min(waiting, key=Series.order, default=None)

    def forget(self) -> None:
        """Drop all pending writes."""
        self._open.clear()
