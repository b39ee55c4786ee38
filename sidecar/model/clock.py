"""Time: the wall clock as a parameter, and the clock that numbers writes."""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds since the epoch. Entries live longer than processes, so their times are wall time."""


class WriteClock:
    """Numbers writes: each greater than all before it, after a restart too.

    A hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", OPODIS 2014) without its
    remote part: the microsecond of the wall clock, or one more than the last number where that is
    greater. `observe` raises it over what an earlier process wrote, should the wall clock have been
    set back meanwhile.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        self._last = max(self._last + 1, int(self._clock() * 1e6))
        return self._last

    def observe(self, seq: int) -> None:
        self._last = max(self._last, seq)
