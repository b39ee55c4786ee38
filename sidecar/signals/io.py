"""Signals of disks, and of L3's volume."""

from __future__ import annotations

from sidecar.signals.cache import CACHE
from sidecar.signals.signal import Gauge, Rate, Signal
from sidecar.signals.system import CONTROL_GROUP, PROCESSES

SIGNALS = (
    Signal(
        "io.read_bytes_per_second",
        "per second",
        "Bytes that both processes read from disks.",
        Rate("io.read_bytes"),
        PROCESSES,
        better="lower",
    ),
    Signal(
        "io.written_bytes_per_second",
        "per second",
        "Bytes that both processes wrote to disks.",
        Rate("io.written_bytes"),
        PROCESSES,
        better="lower",
    ),
    Signal(
        "io.pressure",
        "ratio",
        "Time in which a task waited for a disk over all time (PSI, some).",
        Rate("io.stalled_seconds"),
        CONTROL_GROUP,
        better="lower",
    ),
    Signal(
        "io.l3_queue",
        "count",
        "Reads and writes that L3 has not answered.",
        Gauge("io.l3_queue"),
        CACHE,
        better="lower",
    ),
    Signal(
        "io.pending_compaction_bytes",
        "bytes",
        "Bytes that RocksDB has yet to rewrite.",
        Gauge("io.pending_compaction_bytes"),
        CACHE,
        better="lower",
    ),
    Signal(
        "io.disk_free_bytes",
        "bytes",
        "Free on L3's volume.",
        Gauge("io.disk_free_bytes"),
        PROCESSES,
        better="higher",
    ),
    Signal(
        "io.disk_free_ratio",
        "ratio",
        "Free on L3's volume over its size.",
        Gauge("io.disk_free_ratio"),
        PROCESSES,
        better="higher",
    ),
)
