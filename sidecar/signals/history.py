"""Raw readings of the last hour, and signals over any span of it.

A plain data structure: it is told the time and the readings, and knows neither clocks nor files.
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
"""How far back it reaches: the longest window of a trial, twice, and what may lie between."""
_LEAST_SHARE = 0.5
"""Of a span that has to be covered by readings, so that a gap is no window."""
_SLACK = 500
"""Readings beyond the span before they are dropped, all at once."""
_BLOCK = 60
"""So many readings of a gauge are added up once, so that a mean over half an hour adds up few."""

NAN = math.nan


class History:
    """Readings by time, in seconds of a clock that never goes back.

    A counter that falls has been started anew (a process came back): its growth goes on from there.
    A reading that is missing is unavailable, and so is each signal that needs it.
    """

    def __init__(self, signals: Signals, span_seconds: float = SPAN_SECONDS) -> None:
        self.signals = signals
        self._span_seconds = span_seconds
        self._needed = {name: readings_of(signal.source) for name, signal in signals.items()}
        self._times = array("d")
        self._columns = {name: array("d") for name in chain.from_iterable(self._needed.values())}
        sources = [signal.source for signal in signals.values()]
        gauges = [source.reading for source in sources if isinstance(source, Gauge)]
        self._sums = {name: array("d") for name in gauges}
        """By block."""
        self._rolling: dict[tuple[str, float], Rolling] = {}
        """By signal and seconds, those that are asked for."""
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
    def readings(self) -> tuple[str, ...]:
        """The names of all raw readings."""
        return tuple(self._columns)

    @property
    def gauges(self) -> Collection[str]:
        """Those that are no counters."""
        return self._sums.keys()

    @property
    def known(self) -> set[str]:
        """The readings that were there the last time."""
        return {name for name, column in self._columns.items() if column and not isnan(column[-1])}

    def gives(self, signal: str) -> bool:
        """Whether all readings that a signal needs were there the last time."""
        columns = self._columns
        return bool(self._times) and not any(
            isnan(columns[name][-1]) for name in self._needed[signal]
        )

    def push(self, at: float, readings: Mapping[str, float]) -> None:
        """Take in readings that are newer than all before. O(names)."""
        times = self._times
        times.append(at)
        for name, column in self._columns.items():
            value = readings.get(name, NAN)
            column.append(value if name in self._sums or isnan(value) else self._count(name, value))
        if len(times) % _BLOCK == 0:
            for name, sums in self._sums.items():
                sums.append(math.fsum(self._columns[name][-_BLOCK:]))
        for (signal, _), rolling in self._rolling.items():
            for began_at, value in self._values(self.signals[signal].source, len(times) - 1):
                rolling.add(began_at, value)
            rolling.move(at)
        surplus = bisect_left(times, at - self._span_seconds)
        if surplus > _SLACK:
            self._drop(surplus - surplus % _BLOCK)

    def last(self, signal: str, look_back_seconds: float) -> float | None:
        """The signal now: a gauge's last reading, or else the signal over the last seconds."""
        source = self.signals[signal].source
        if isinstance(source, Gauge):
            column = self._columns[source.reading]
            value = column[-1] if column else NAN
            return None if isnan(value) else value
        now = self.last_at
        return self.over(signal, now - look_back_seconds, now)

    def over(self, signal: str, start: float, end: float) -> float | None:
        """The signal from `start` to `end`; None where too little is known of that span.

        The readings in it must cover half of it at least. For a gauge O(readings in the span), a
        block of them at a time, else O(log readings).
        """
        times = self._times
        first, stop = bisect_left(times, start), bisect_right(times, end)
        if stop - first < 2:
            return None
        span = times[stop - 1] - times[first]
        if span < _LEAST_SHARE * (end - start):
            return None
        return self._compute(self.signals[signal].source, first, stop, span)

    def quantile(self, signal: str, share: float, seconds: float) -> float | None:
        """A quantile of the signal's values, second by second, over the last seconds.

        O(readings in them) for who asks for the first time, O(1) for who goes on asking.
        """
        rolling = self._rolling.get((signal, seconds))
        if rolling is None:
            first = bisect_left(self._times, self.last_at - seconds)
            rolling = Rolling(seconds, self._values(self.signals[signal].source, first))
            rolling.move(self.last_at)
            self._rolling[signal, seconds] = rolling
        rolling.used_at = self.last_at
        return rolling.quantile(share)

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

    def _drop(self, surplus: int) -> None:
        """Drop the oldest readings, and the windows that were not asked for in a long time."""
        del self._times[:surplus]
        for column in self._columns.values():
            del column[:surplus]
        for sums in self._sums.values():
            del sums[: surplus // _BLOCK]
        unused = self.last_at - 2 * self._span_seconds
        self._rolling = {key: it for key, it in self._rolling.items() if it.used_at > unused}

    def _values(self, source: Source, first: int) -> Iterator[tuple[float, float]]:
        """The signal's values reading by reading, each with its time.

        From that reading on; where a value lies between two readings, from the one before.
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
