"""What a signal is: a measured number with a dotted name, and what it is computed from.

A signal is computed over a span of time from raw readings (`history`): counters that only grow, and
gauges. So a hit ratio over a window is a sum of hits over a sum of lookups, no mean of ratios.
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
    """The growth of a counter in a second."""

    counter: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """The growth of a counter over that of another; none below `least` of the other."""

    part: str
    whole: str
    least: float = 20.0


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of what came into a histogram, interpolated in its bucket."""

    histogram: str
    share: float
    least: float = 20.0


Source = Gauge | Rate | Ratio | Quantile


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """Takes raw readings, by name; one that cannot be taken is left out.

    Called once in each sample, for all signals that share it. A reader that blocks, as one that
    opens files does, runs in a thread; the others run in the event loop.
    """

    read: Callable[[Sources], Mapping[str, float]]
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Signal:
    """A measured number with a dotted name. A ratio is from 0 to 1.

    `better` is None where neither more nor less of it is good by itself.
    """

    name: str
    unit: Unit
    meaning: str
    source: Source
    reader: Reader
    """What takes the readings of `source`."""
    better: Better | None = None


Signals = Mapping[str, Signal]
"""By name, in the order in which they are shown."""


@cache
def bucket_names(histogram: str) -> list[str]:
    """The counters of a histogram's buckets, from the lowest."""
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
