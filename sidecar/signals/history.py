"""Raw readings of the last hour, and signals over any span of it.

A plain data structure: callers pass the time and the readings. It uses neither clocks nor files.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from math import isnan

from sidecar.model.stats import LATENCY_BOUNDS
from sidecar.signals.rolling import Rolling
from sidecar.signals.signal import (
    Gauge,
    Quantile,
    Rate,
    Ratio,
    Signals,
    Source,
    bucket_names,
    readings_of,
)

SPAN_SECONDS = 3600.0
"""The time covered: twice the longest window of a trial, and the gap between."""
MOST_SORTED_AT_ONCE = 3600
"""Readings in new windows between two readings: computing an hour of them takes 20 ms."""
_LEAST_SHARE = 0.5
"""The share of a span that readings must cover; otherwise the span has no value."""
_SLACK = 500
"""Readings older than the span that are kept until they are dropped in one batch."""
_BLOCK = 60
"""Readings of a gauge in one stored sum, so that a mean over half an hour adds up few numbers."""

NAN = math.nan


class History:
    """Readings by time, in seconds of a monotonic clock.

    A counter that decreases was reset by a restart of its process: its growth continues from there.
    If a reading is missing, each signal that needs it is unavailable.
    """

    def __init__(self, signals: Signals, span_seconds: float = SPAN_SECONDS) -> None:
        self.signals = signals
        self._span_seconds = span_seconds
        self._sources = {name: signal.source for name, signal in signals.items()}
        self._needed = {name: readings_of(source) for name, source in self._sources.items()}
        self._times = array("d")
        self._columns = {name: array("d") for name in chain.from_iterable(self._needed.values())}
        sources = self._sources.values()
        gauges = [source.reading for source in sources if isinstance(source, Gauge)]
        self._sums = {name: array("d") for name in gauges}
        """The sum of each block, by gauge."""
        self._gauges = [(name, self._columns[name]) for name in self._sums]
        self._counters = [it for it in self._columns.items() if it[0] not in self._sums]
        self._rolling: dict[tuple[str, float], Rolling] = {}
        """The windows in use, by signal and length in seconds."""
        self._sorted_now = 0  # readings in windows that were begun since the last ones
        self._last: dict[str, float] = {}
        self._totals: dict[str, float] = {}

    @property
    def last_at(self) -> float:
        """The time of the last readings; minus infinity before the first."""
        return self._times[-1] if self._times else -math.inf

    @property
    def first_at(self) -> float:
        """The time of the oldest stored readings; infinity before the first."""
        return self._times[0] if self._times else math.inf

    @property
    def readings(self) -> tuple[str, ...]:
        """The names of all raw readings."""
        return tuple(self._columns)

    @property
    def gauges(self) -> Collection[str]:
        """The names of the readings that are gauges."""
        return self._sums.keys()

    @property
    def known(self) -> set[str]:
        """The readings present in the last sample."""
        return {name for name, column in self._columns.items() if column and not isnan(column[-1])}

    def gives(self, signal: str) -> bool:
        """Whether the last sample had all readings that a signal needs."""
        columns = self._columns
        return bool(self._times) and not any(
            isnan(columns[name][-1]) for name in self._needed[signal]
        )

    def push(self, at: float, readings: Mapping[str, float]) -> None:
        """Add readings that are newer than all earlier ones. O(names)."""
        times = self._times
        times.append(at)
        self._sorted_now = 0
        read = readings.get
        for name, column in self._gauges:
            column.append(read(name, NAN))
        for name, column in self._counters:
            value = read(name, NAN)
            column.append(NAN if isnan(value) else self._count(name, value))
        if len(times) % _BLOCK == 0:
            for name, sums in self._sums.items():
                sums.append(math.fsum(self._columns[name][-_BLOCK:]))
        for (signal, _), rolling in self._rolling.items():
            for began_at, value in self._values(self._sources[signal], len(times) - 1):
                rolling.add(began_at, value)
            rolling.move(at)
        surplus = bisect_left(times, at - self._span_seconds)
        if surplus > _SLACK:
            self._drop(surplus - surplus % _BLOCK)

    def last(self, signal: str, look_back_seconds: float) -> float | None:
        """The current value: the last reading of a gauge, else the signal over the last seconds."""
        source = self._sources[signal]
        if isinstance(source, Gauge):
            column = self._columns[source.reading]
            value = column[-1] if column else NAN
            return None if isnan(value) else value
        now = self.last_at
        return self.over(signal, now - look_back_seconds, now)

    def over(self, signal: str, start: float, end: float) -> float | None:
        """The signal from `start` to `end`; None if readings cover less than half of the span.

        O(readings in the span) for a gauge, a block at a time; else O(log readings).
        """
        times = self._times
        first, stop = bisect_left(times, start), bisect_right(times, end)
        if stop - first < 2:
            return None
        span = times[stop - 1] - times[first]
        if span < _LEAST_SHARE * (end - start):
            return None
        return self._compute(self._sources[signal], first, stop, span)

    def quantile(self, signal: str, share: float, seconds: float) -> float | None:
        """A quantile of the signal's values per second over the last seconds.

        O(readings in the span) for the first call, O(1) for repeated calls. None also if too many
        windows were first asked for since the last readings: this one is begun after the next.
        """
        rolling = self._rolling.get((signal, seconds))
        if rolling is None:
            first = bisect_left(self._times, self.last_at - seconds)
            if self._sorted_now > MOST_SORTED_AT_ONCE:
                return None
            self._sorted_now += len(self._times) - first
            rolling = Rolling(seconds, self._values(self._sources[signal], first))
            rolling.move(self.last_at)
            self._rolling[signal, seconds] = rolling
        rolling.used_at = self.last_at
        return rolling.quantile(share)

    def slope(self, signal: str, seconds: float) -> float | None:
        """The growth of the signal per second, between both halves of the last seconds."""
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

    def _drop(self, surplus: int) -> None:
        """Drop the oldest readings, and windows that have not been used for a long time."""
        del self._times[:surplus]
        for column in self._columns.values():
            del column[:surplus]
        for sums in self._sums.values():
            del sums[: surplus // _BLOCK]
        unused = self.last_at - 2 * self._span_seconds
        self._rolling = {key: it for key, it in self._rolling.items() if it.used_at > unused}

    def _values(self, source: Source, first: int) -> Iterator[tuple[float, float]]:
        """The values of the signal with their times, from the reading `first` on.

        A value that needs two readings also uses the one before `first`.
        """
        times = self._times
        if isinstance(source, Gauge):
            column = self._columns[source.reading]
            for at in range(first, len(times)):
                if not isnan(column[at]):
                    yield times[at], column[at]
            return
        for at in range(max(0, first - 1), len(times) - 1):
            value = self._compute(source, at, at + 2, times[at + 1] - times[at])
            if value is not None:
                yield times[at], value

    def _compute(self, source: Source, first: int, stop: int, span: float) -> float | None:
        match source:
            case Gauge(reading):
                return self._mean(reading, first, stop)
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

    def _mean(self, gauge: str, first: int, stop: int) -> float | None:
        column = self._columns[gauge]
        block, end = -(-first // _BLOCK), stop // _BLOCK
        if block < end:
            sums = self._sums[gauge][block:end]
            edges = column[first : block * _BLOCK], column[end * _BLOCK : stop]
            total = math.fsum(chain(sums, *edges))
        else:
            total = math.fsum(column[first:stop])
        if not isnan(total):
            return total / (stop - first)
        known = [value for value in column[first:stop] if not isnan(value)]
        if len(known) < max(1, (stop - first) * _LEAST_SHARE):
            return None
        return math.fsum(known) / len(known)

    def _grown(self, counter: str, first: int, stop: int) -> float | None:
        column = self._columns[counter]
        grown = column[stop - 1] - column[first]
        return None if isnan(grown) else grown


def _quantile(counts: list[float], share: float, least: float) -> float | None:
    """Like PromQL's histogram_quantile: linear in a bucket, the lower bound in the open one."""
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
