"""Defines signals: measured numbers with dotted names, and the readings they are computed from.

A signal is computed over a span of time from raw readings (`history`): counters that only grow, and
gauges. So a hit ratio over a window is the hits in it over the lookups in it, not a mean of ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from sidecar.model.stats import LATENCY_BOUNDS
from sidecar.signals.sources import Sources

Unit = Literal["ratio", "bytes", "seconds", "count", "per second"]
Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Gauge:
    """The mean of a reading."""

    reading: str


@dataclass(frozen=True, slots=True)
class Rate:
    """The growth of a counter per second."""

    counter: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """The growth of a counter over that of another; no value if the latter is below `least`."""

    part: str
    whole: str
    least: float = 20.0


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of the values added to a histogram, interpolated within a bucket.

    No value if they are fewer than `least`.
    """

    histogram: str
    share: float
    least: float = 20.0


Source = Gauge | Rate | Ratio | Quantile


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """Takes raw readings, by name; omits unavailable ones.

    Called once per sample, for all signals that share it. A reader that blocks, for example to read
    files, runs in a thread; the others run in the event loop.
    """

    read: Callable[[Sources], Mapping[str, float]]
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Signal:
    """A measured number with a dotted name. A ratio is from 0 to 1.

    `better` is None if neither direction is better as such.
    """

    name: str
    unit: Unit
    meaning: str
    source: Source
    reader: Reader
    """Takes the readings of `source`."""
    better: Better | None = None


Signals = Mapping[str, Signal]
"""Signals by name, in display order."""


@cache
def bucket_names(histogram: str) -> list[str]:
    """The counters of a histogram's buckets, from the lowest bucket to the highest."""
    return [f"{histogram}.{index}" for index in range(len(LATENCY_BOUNDS) + 1)]


def readings_of(source: Source) -> list[str]:
    """The names of the raw readings that a source needs."""
    match source:
        case Gauge(reading):
            return [reading]
        case Rate(counter):
            return [counter]
        case Ratio(part, whole):
            return [part, whole]
        case Quantile(histogram):
            return bucket_names(histogram)
