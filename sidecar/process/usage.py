"""The resource usage of the two processes, and of the volume."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import psutil


def resident_bytes(pid: int) -> int | None:
    """Resident memory; None if the process has exited."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def cpu_seconds() -> tuple[float, float]:
    """CPU time of this process, in user mode and in the kernel."""
    times = os.times()
    return times.user, times.system


def disk_free_bytes(folder: Path) -> tuple[int, int] | None:
    """Bytes of the volume that are free for this user, and in total; None if unknown."""
    try:
        usage = psutil.disk_usage(str(folder))
    except OSError:
        return None
    return usage.free, usage.total


def readings(pids: Mapping[str, int], data_dir: Path) -> dict[str, float]:
    """The raw readings of both processes together, and of the volume."""
    found = dict.fromkeys(
        ("memory.resident_bytes", "cpu.used_seconds", "io.read_bytes", "io.written_bytes"), 0.0
    )
    for pid in pids.values():
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                times = process.cpu_times()
                counters = process.io_counters()
                found["memory.resident_bytes"] += process.memory_info().rss
        except psutil.Error:  # it has just exited
            continue
        found["cpu.used_seconds"] += times.user + times.system
        found["io.read_bytes"] += counters.read_bytes
        found["io.written_bytes"] += counters.write_bytes
    disk = disk_free_bytes(data_dir)
    if disk is not None:
        found["io.disk_free_bytes"], found["io.disk_total_bytes"] = disk
    return found


def processors() -> int:
    """The number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0))
