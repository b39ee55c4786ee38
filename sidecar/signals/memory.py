"""Signals of the container's memory."""

from __future__ import annotations

from sidecar.signals.signal import Gauge, Rate, Signal
from sidecar.signals.system import CONTROL_GROUP, PROCESSES

SIGNALS = (
    Signal(
        "memory.resident_bytes",
        "bytes",
        "Resident memory of both processes.",
        Gauge("memory.resident_bytes"),
        PROCESSES,
        better="lower",
    ),
    Signal(
        "memory.limit_bytes",
        "bytes",
        "The container's memory limit.",
        Gauge("memory.limit_bytes"),
        CONTROL_GROUP,
    ),
    Signal(
        "memory.working_set_bytes",
        "bytes",
        "The container's memory as the kubelet counts it: without inactive file pages.",
        Gauge("memory.working_set_bytes"),
        CONTROL_GROUP,
        better="lower",
    ),
    Signal(
        "memory.available_bytes",
        "bytes",
        "What is left between the working set and the limit.",
        Gauge("memory.available_bytes"),
        CONTROL_GROUP,
        better="higher",
    ),
    Signal(
        "memory.utilization",
        "ratio",
        "The working set over the limit.",
        Gauge("memory.utilization"),
        CONTROL_GROUP,
        better="lower",
    ),
    Signal(
        "memory.pressure",
        "ratio",
        "Time in which a task waited for memory over all time (PSI, some).",
        Rate("memory.stalled_seconds"),
        CONTROL_GROUP,
        better="lower",
    ),
)
