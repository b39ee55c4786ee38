"""Reads what the system knows of the two processes and their container."""

from __future__ import annotations

from sidecar.process import usage
from sidecar.signals.signal import Reader
from sidecar.signals.sources import Sources


def memory_shares(readings: dict[str, float]) -> dict[str, float]:
    """The readings of a control group with what is made of two of them."""
    limit = readings.get("memory.limit_bytes")
    used = readings.get("memory.working_set_bytes")
    if limit is not None and used is not None:
        readings["memory.utilization"] = used / limit
        readings["memory.available_bytes"] = max(0.0, limit - used)
    return readings


def disk_shares(readings: dict[str, float]) -> dict[str, float]:
    """The readings of a volume with what is made of two of them."""
    total, free = readings.get("io.disk_total_bytes"), readings.get("io.disk_free_bytes")
    if total and free is not None:
        readings["io.disk_free_ratio"] = free / total
    return readings


def _processes(sources: Sources) -> dict[str, float]:
    found = disk_shares(usage.readings(sources.pids(), sources.data_dir))
    found["cpu.allowed_seconds"] = sources.group.allowed_seconds()
    return found


PROCESSES = Reader(_processes, blocks=True)
"""Both processes together, over what they may use of the processors, and the volume."""
CONTROL_GROUP = Reader(lambda sources: memory_shares(sources.group.readings()), blocks=True)
EVENT_LOOP = Reader(lambda sources: {"cpu.loop_lag_seconds": sources.loop_lag_seconds})
