"""Time: the wall clock as a parameter, and the clock that numbers writes."""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds since the epoch. Entries live longer than processes, so their times are wall time."""


class WriteClock:
    """Numbers writes in increasing order, across restarts too.

    A hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", OPODIS 2014) without its
    remote part. A number is the wall clock in microseconds, or the last number plus one if that is
    greater. `observe` raises it above the numbers of an earlier process, in case the wall clock has
    been set back.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        return self.at(self._clock())

    def at(self, now: float) -> int:
        """The next number, where the wall clock was just read."""
        seq, last = int(now * 1e6), self._last
        self._last = seq = seq if seq > last else last + 1  # `max` takes twice as long
        return seq

    def observe(self, seq: int) -> None:
        self._last = max(self._last, seq)
