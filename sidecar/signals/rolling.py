"""A quantile over a moving window: values are kept sorted as they are added and dropped."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable


class Rolling:
    """The values of one signal over the last `seconds`.

    Sorting half an hour of values takes a hundred times as long as keeping them sorted.
    """

    def __init__(self, seconds: float, values: Iterable[tuple[float, float]]) -> None:
        """Each value comes with its time, the oldest first."""
        self._seconds = seconds
        self._by_time = deque(values)
        self._by_size = sorted(value for _, value in self._by_time)
        self.used_at = float("-inf")
        """When the window was last used."""

    def move(self, now: float) -> None:
        """Drop values older than the window. O(log n) and a move in memory for each."""
        while self._by_time and self._by_time[0][0] < now - self._seconds:
            _, value = self._by_time.popleft()
            del self._by_size[bisect_left(self._by_size, value)]

    def add(self, at: float, value: float) -> None:
        """Add a value that is newer than all others. O(log n) and a move in memory."""
        self._by_time.append((at, value))
        insort(self._by_size, value)

    def quantile(self, share: float) -> float | None:
        """The value below which this share of the values lies; None without values."""
        values = self._by_size
        return values[min(len(values) - 1, int(share * len(values)))] if values else None
