"""Raw readings of the last hour, and signals over any span of it.

A plain data structure: it is told the time and the readings, and knows neither clocks nor files.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from math import isnan

from sidecar.model.stats import LATENCY_BOUNDS
from sidecar.signals.table import BY_NAME, SIGNALS, Gauge, Quantile, Rate, Ratio, Source

SPAN_SECONDS = 3600.0
"""How far back it reaches: the longest window of a trial, twice, and what may lie between."""
_LEAST_SHARE = 0.5
"""Of a span that has to be covered by readings, so that a gap is no window."""
_SLACK = 500
"""Readings beyond the span before they are dropped, all at once."""

NAN = math.nan


def bucket_names(histogram: str) -> list[str]:
    """The counters of a histogram's buckets, from the lowest."""
    return [f"{histogram}.{index}" for index in range(len(LATENCY_BOUNDS) + 1)]


def _readings_of(source: Source) -> list[str]:
    match source:
        case Gauge(reading):
            return [reading]
        case Rate(counter):
            return [counter]
        case Ratio(part, whole):
            return [part, whole]
        case Quantile(histogram):
            return bucket_names(histogram)


GAUGES = {signal.source.reading for signal in SIGNALS if isinstance(signal.source, Gauge)}
READINGS = tuple(dict.fromkeys(name for it in SIGNALS for name in _readings_of(it.source)))
"""The names of all raw readings."""


class History:
    """Readings by time, in seconds of a clock that never goes back.

    A counter that falls has been started anew (a process came back): its growth goes on from there.
    A reading that is missing is unavailable, and so is each signal that needs it.
    """

    def __init__(self, span_seconds: float = SPAN_SECONDS) -> None:
        self._span_seconds = span_seconds
        self._times = array("d")
        self._columns = {name: array("d") for name in READINGS}
        self._last: dict[str, float] = {}
        self._totals: dict[str, float] = {}

    @property
    def last_at(self) -> float:
        """When the last readings were taken; minus infinity before the first."""
        return self._times[-1] if self._times else -math.inf

    @property
    def first_at(self) -> float:
        """When the oldest readings that are still here were taken; infinity before the first."""
        return self._times[0] if self._times else math.inf

    @property
    def known(self) -> set[str]:
        """The readings that were there the last time."""
        return {name for name, column in self._columns.items() if column and not isnan(column[-1])}

    def push(self, at: float, readings: Mapping[str, float]) -> None:
        """Take in readings that are newer than all before. O(names)."""
        times = self._times
        times.append(at)
        for name, column in self._columns.items():
            value = readings.get(name, NAN)
            column.append(value if name in GAUGES or isnan(value) else self._count(name, value))
        surplus = bisect_left(times, at - self._span_seconds)
        if surplus > _SLACK:
            del times[:surplus]
            for column in self._columns.values():
                del column[:surplus]

    def clear(self) -> None:
        """Forget all: what came before must not be compared with what comes."""
        del self._times[:]
        for column in self._columns.values():
            del column[:]
        self._last.clear()
        self._totals.clear()

    def last(self, signal: str, look_back_seconds: float) -> float | None:
        """The signal now: a gauge's last reading, or else the signal over the last seconds."""
        source = BY_NAME[signal].source
        if isinstance(source, Gauge):
            column = self._columns[source.reading]
            value = column[-1] if column else NAN
            return None if isnan(value) else value
        now = self.last_at
        return self.over(signal, now - look_back_seconds, now)

    def over(self, signal: str, start: float, end: float) -> float | None:
        """The signal from `start` to `end`; None where too little is known of that span.

        The readings in it must cover half of it at least. O(readings in the span) for a gauge,
        else O(log readings).
        """
        times = self._times
        first, stop = bisect_left(times, start), bisect_right(times, end)
        if stop - first < 2:
            return None
        span = times[stop - 1] - times[first]
        if span < _LEAST_SHARE * (end - start):
            return None
        return self._compute(BY_NAME[signal].source, first, stop, span)

    def quantile(self, signal: str, share: float, seconds: float) -> float | None:
        """A quantile of the signal's values, second by second, over the last seconds."""
        values = sorted(self._values(signal, seconds))
        return values[min(len(values) - 1, int(share * len(values)))] if values else None

    def slope(self, signal: str, seconds: float) -> float | None:
        """By how much the signal grew in a second, between both halves of the last seconds."""
        now = self.last_at
        first = self.over(signal, now - seconds, now - seconds / 2)
        second = self.over(signal, now - seconds / 2, now)
        if first is None or second is None:
            return None
        return (second - first) / (seconds / 2)

    def _count(self, name: str, value: float) -> float:
        grown = max(0.0, value - self._last.get(name, value))
        self._last[name] = value
        self._totals[name] = total = self._totals.get(name, 0.0) + grown
        return total

    def _values(self, signal: str, seconds: float) -> list[float]:
        source = BY_NAME[signal].source
        first = bisect_left(self._times, self.last_at - seconds)
        if isinstance(source, Gauge):
            column = self._columns[source.reading][first:]
            return [value for value in column if not isnan(value)]
        found = (
            self._compute(source, at, at + 2, self._times[at + 1] - self._times[at])
            for at in range(first, len(self._times) - 1)
        )
        return [value for value in found if value is not None]

    def _compute(self, source: Source, first: int, stop: int, span: float) -> float | None:
        match source:
            case Gauge(reading):
                return _mean(self._columns[reading][first:stop], stop - first)
            case Rate(counter):
                grown = self._grown(counter, first, stop)
                return None if grown is None else grown / span
            case Ratio(part, whole, least):
                base = self._grown(whole, first, stop)
                grown = self._grown(part, first, stop)
                if base is None or grown is None or base <= 0 or base < least:
                    return None
                return grown / base
            case Quantile(histogram, share, least):
                counts = [self._grown(name, first, stop) for name in bucket_names(histogram)]
                if any(count is None for count in counts):
                    return None
                return _quantile([count or 0.0 for count in counts], share, least)

    def _grown(self, counter: str, first: int, stop: int) -> float | None:
        column = self._columns[counter]
        grown = column[stop - 1] - column[first]
        return None if isnan(grown) else grown


def _mean(values: array[float], expected: int) -> float | None:
    total = math.fsum(values)
    if not isnan(total):
        return total / len(values)
    known = [value for value in values if not isnan(value)]
    if len(known) < max(1, expected * _LEAST_SHARE):
        return None
    return math.fsum(known) / len(known)


def _quantile(counts: list[float], share: float, least: float) -> float | None:
    """As PromQL's histogram_quantile: linear inside a bucket, its lower bound in the open one."""
    total = sum(counts)
    if total <= 0 or total < least:
        return None
    rank, below = share * total, 0.0
    for index, count in enumerate(counts[:-1]):
        if below + count >= rank and count:
            low = LATENCY_BOUNDS[index - 1] if index else 0.0
            return low + (LATENCY_BOUNDS[index] - low) * (rank - below) / count
        below += count
    return LATENCY_BOUNDS[-1]
