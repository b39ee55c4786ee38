"""Signals of processor time and of the event loop."""

from __future__ import annotations

from sidecar.signals.signal import Gauge, Rate, Ratio, Signal
from sidecar.signals.system import CONTROL_GROUP, EVENT_LOOP, PROCESSES

SIGNALS = (
    Signal(
        "cpu.utilization",
        "ratio",
        "Processor time of both processes over the quota, or over all processors without one.",
        Ratio("cpu.used_seconds", "cpu.allowed_seconds", least=0.0),
        PROCESSES,
        better="lower",
    ),
    Signal(
        "cpu.throttled_ratio",
        "ratio",
        "Periods of the quota in which the container was throttled.",
        Ratio("cpu.throttled_periods", "cpu.periods", least=1.0),
        CONTROL_GROUP,
        better="lower",
    ),
    Signal(
        "cpu.pressure",
        "ratio",
        "Time in which a task waited for a processor over all time (PSI, some).",
        Rate("cpu.stalled_seconds"),
        CONTROL_GROUP,
        better="lower",
    ),
    Signal(
        "cpu.loop_lag_seconds",
        "seconds",
        "By how much the event loop was late, the worst of each second.",
        Gauge("cpu.loop_lag_seconds"),
        EVENT_LOOP,
        better="lower",
    ),
)
