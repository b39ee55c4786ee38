"""Signals of Python's garbage collector."""

from __future__ import annotations

from sidecar.signals.signal import Gauge, Rate, Reader, Signal

GARBAGE = Reader(lambda sources: sources.collections.readings(sources.now))


def _generation(number: int) -> tuple[Signal, ...]:
    return (
        Signal(
            f"gc.gen{number}.collections_per_second",
            "per second",
            f"Garbage collections of generation {number}.",
            Rate(f"gc.gen{number}.collections"),
            GARBAGE,
            better="lower",
        ),
        Signal(
            f"gc.gen{number}.pause_ratio",
            "ratio",
            f"Time in garbage collections of generation {number} over all time.",
            Rate(f"gc.gen{number}.pause_seconds"),
            GARBAGE,
            better="lower",
        ),
    )


SIGNALS = (
    *_generation(0),
    *_generation(1),
    *_generation(2),
    Signal(
        "gc.tracked_objects",
        "count",
        "Objects that the garbage collector looks at.",
        Gauge("gc.tracked_objects"),
        GARBAGE,
        better="lower",
    ),
)
