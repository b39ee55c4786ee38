"""Every signal: its name, unit and meaning, and what it is computed from.

The one table that rules are checked by, metrics are named from and the documentation is held to.
A signal is computed over a span of time from raw readings (`history`): counters that only grow, and
gauges. So a hit ratio over a window is a sum of hits over a sum of look-ups, no mean of ratios.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class Signal:
    """A measured number with a dotted name. A ratio is from 0 to 1.

    `better` is None where neither more nor less of it is good by itself.
    """

    name: str
    unit: Unit
    meaning: str
    source: Source
    better: Better | None = None


def _tier(tier: str, name: str) -> tuple[Signal, ...]:
    return (
        Signal(
            f"cache.{tier}.hit_ratio",
            "ratio",
            f"Hits of {name} over the look-ups that reached it.",
            Ratio(f"cache.{tier}.hits", f"cache.{tier}.lookups"),
            better="higher",
        ),
        Signal(
            f"cache.{tier}.hits_per_second",
            "per second",
            f"Look-ups that {name} answered.",
            Rate(f"cache.{tier}.hits"),
        ),
        Signal(
            f"cache.{tier}.fill",
            "ratio",
            f"How full {name} is: its entries or its bytes over its limit, the larger of the two.",
            Gauge(f"cache.{tier}.fill"),
        ),
        Signal(
            f"cache.{tier}.evictions_per_second",
            "per second",
            f"Entries that {name} let go for room.",
            Rate(f"cache.{tier}.evictions"),
            better="lower",
        ),
    )


def _generation(number: int) -> tuple[Signal, ...]:
    return (
        Signal(
            f"gc.gen{number}.collections_per_second",
            "per second",
            f"Garbage collections of generation {number}.",
            Rate(f"gc.gen{number}.collections"),
            better="lower",
        ),
        Signal(
            f"gc.gen{number}.pause_ratio",
            "ratio",
            f"Time in garbage collections of generation {number} over all time.",
            Rate(f"gc.gen{number}.pause_seconds"),
            better="lower",
        ),
    )


SIGNALS: tuple[Signal, ...] = (
    Signal(
        "cache.hit_ratio",
        "ratio",
        "Look-ups that any tier answered over all look-ups.",
        Ratio("cache.hits", "cache.lookups"),
        better="higher",
    ),
    Signal(
        "cache.byte_hit_ratio",
        "ratio",
        "Bytes of hits over bytes of hits and puts. (What a miss would have been is not known; "
        "an application that looks aside puts it.)",
        Ratio("cache.hit_bytes", "cache.moved_bytes"),
        better="higher",
    ),
    Signal(
        "cache.misses_per_second",
        "per second",
        "Look-ups that no tier answered.",
        Rate("cache.misses"),
    ),
    *_tier("l1", "L1"),
    *_tier("l2", "L2"),
    *_tier("l3", "L3"),
    Signal(
        "cache.promotions_per_second",
        "per second",
        "Entries that moved to a higher tier.",
        Rate("cache.promotions"),
    ),
    Signal(
        "cache.demotions_per_second",
        "per second",
        "Entries that moved to a lower tier.",
        Rate("cache.demotions"),
    ),
    Signal(
        "http.get_p50_seconds",
        "seconds",
        "Half of the GETs were answered within it.",
        Quantile("http.get", 0.5),
        better="lower",
    ),
    Signal(
        "http.get_p99_seconds",
        "seconds",
        "99 of 100 GETs were answered within it.",
        Quantile("http.get", 0.99),
        better="lower",
    ),
    Signal(
        "http.put_p50_seconds",
        "seconds",
        "Half of the PUTs were answered within it.",
        Quantile("http.put", 0.5),
        better="lower",
    ),
    Signal(
        "http.put_p99_seconds",
        "seconds",
        "99 of 100 PUTs were answered within it.",
        Quantile("http.put", 0.99),
        better="lower",
    ),
    Signal(
        "memory.resident_bytes",
        "bytes",
        "Resident memory of both processes.",
        Gauge("memory.resident_bytes"),
        better="lower",
    ),
    Signal(
        "memory.limit_bytes",
        "bytes",
        "The container's memory limit.",
        Gauge("memory.limit_bytes"),
    ),
    Signal(
        "memory.working_set_bytes",
        "bytes",
        "The container's memory as the kubelet counts it: without inactive file pages.",
        Gauge("memory.working_set_bytes"),
        better="lower",
    ),
    Signal(
        "memory.available_bytes",
        "bytes",
        "What is left between the working set and the limit.",
        Gauge("memory.available_bytes"),
        better="higher",
    ),
    Signal(
        "memory.utilization",
        "ratio",
        "The working set over the limit.",
        Gauge("memory.utilization"),
        better="lower",
    ),
    Signal(
        "memory.pressure",
        "ratio",
        "Time in which a task waited for memory over all time (PSI, some).",
        Rate("memory.stalled_seconds"),
        better="lower",
    ),
    Signal(
        "cpu.utilization",
        "ratio",
        "Processor time of both processes over the quota, or over all processors without one.",
        Ratio("cpu.used_seconds", "cpu.allowed_seconds", least=0.0),
        better="lower",
    ),
    Signal(
        "cpu.throttled_ratio",
        "ratio",
        "Periods of the quota in which the container was throttled.",
        Ratio("cpu.throttled_periods", "cpu.periods", least=1.0),
        better="lower",
    ),
    Signal(
        "cpu.pressure",
        "ratio",
        "Time in which a task waited for a processor over all time (PSI, some).",
        Rate("cpu.stalled_seconds"),
        better="lower",
    ),
    Signal(
        "cpu.loop_lag_seconds",
        "seconds",
        "By how much the event loop was late, the worst of each second.",
        Gauge("cpu.loop_lag_seconds"),
        better="lower",
    ),
    Signal(
        "io.read_bytes_per_second",
        "per second",
        "Bytes that both processes read from disks.",
        Rate("io.read_bytes"),
        better="lower",
    ),
    Signal(
        "io.written_bytes_per_second",
        "per second",
        "Bytes that both processes wrote to disks.",
        Rate("io.written_bytes"),
        better="lower",
    ),
    Signal(
        "io.pressure",
        "ratio",
        "Time in which a task waited for a disk over all time (PSI, some).",
        Rate("io.stalled_seconds"),
        better="lower",
    ),
    Signal(
        "io.l3_queue",
        "count",
        "Reads and writes that L3 has not answered.",
        Gauge("io.l3_queue"),
        better="lower",
    ),
    Signal(
        "io.pending_compaction_bytes",
        "bytes",
        "Bytes that RocksDB has yet to rewrite.",
        Gauge("io.pending_compaction_bytes"),
        better="lower",
    ),
    Signal(
        "io.disk_free_bytes",
        "bytes",
        "Free on L3's volume.",
        Gauge("io.disk_free_bytes"),
        better="higher",
    ),
    Signal(
        "io.disk_free_ratio",
        "ratio",
        "Free on L3's volume over its size.",
        Gauge("io.disk_free_ratio"),
        better="higher",
    ),
    Signal(
        "network.connections",
        "count",
        "Open connections of the data API.",
        Gauge("network.connections"),
    ),
    Signal(
        "network.in_flight",
        "count",
        "Requests to the data API under way, the most of each second.",
        Gauge("network.in_flight"),
    ),
    Signal(
        "network.requests_per_second",
        "per second",
        "Requests to the data API.",
        Rate("network.requests"),
    ),
    Signal(
        "network.shed_per_second",
        "per second",
        "Requests that the data API turned away for load.",
        Rate("network.shed"),
        better="lower",
    ),
    Signal(
        "network.received_bytes_per_second",
        "per second",
        "Bytes of values that the data API took.",
        Rate("network.received_bytes"),
    ),
    Signal(
        "network.sent_bytes_per_second",
        "per second",
        "Bytes of values that the data API gave.",
        Rate("network.sent_bytes"),
    ),
    *_generation(0),
    *_generation(1),
    *_generation(2),
    Signal(
        "gc.tracked_objects",
        "count",
        "Objects that the garbage collector looks at.",
        Gauge("gc.tracked_objects"),
        better="lower",
    ),
)

BY_NAME = {signal.name: signal for signal in SIGNALS}
