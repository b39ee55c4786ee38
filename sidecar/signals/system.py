"""Reads the resources that both processes and their container use, from the system."""

from __future__ import annotations

from sidecar.process import usage
from sidecar.signals.signal import Reader
from sidecar.signals.sources import Sources


def memory_shares(readings: dict[str, float]) -> dict[str, float]:
    """The readings of a control group, with the used share and the available memory added."""
    limit = readings.get("memory.limit_bytes")
    used = readings.get("memory.working_set_bytes")
    if limit is not None and used is not None:
        readings["memory.utilization"] = used / limit
        readings["memory.available_bytes"] = max(0.0, limit - used)
    return readings


def disk_shares(readings: dict[str, float]) -> dict[str, float]:
    """The readings of a volume, with its free share added."""
    total, free = readings.get("io.disk_total_bytes"), readings.get("io.disk_free_bytes")
    if total and free is not None:
        readings["io.disk_free_ratio"] = free / total
    return readings


def _processes(sources: Sources) -> dict[str, float]:
    found = disk_shares(usage.readings(sources.pids(), sources.data_dir))
    found["cpu.allowed_seconds"] = sources.group.allowed_seconds()
    return found


PROCESSES = Reader(_processes, blocks=True)
"""The use of both processes together, the processor time that they may use, and the volume."""
CONTROL_GROUP = Reader(lambda sources: memory_shares(sources.group.readings()), blocks=True)
EVENT_LOOP = Reader(lambda sources: {"cpu.loop_lag_seconds": sources.loop_lag_seconds})
