"""The sources of readings: objects of the running sidecar, and the system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sidecar.model.snapshot import Snapshot
from sidecar.model.stats import RequestStats
from sidecar.process.cgroup import ControlGroup
from sidecar.process.garbage import Collections


@dataclass(slots=True, kw_only=True)
class Sources:
    """The sources in one sidecar. `now` and `loop_lag_seconds` are those of the current sample."""

    look: Callable[[], Snapshot]
    """Returns the state of the cache."""
    requests: Mapping[str, RequestStats]
    """By protocol, those that applications speak."""
    connections: Callable[[], int]
    """Returns the number of their open connections."""
    collections: Collections
    pids: Callable[[], Mapping[str, int]]
    data_dir: Path
    group: ControlGroup
    now: float = 0.0
    """Seconds of a monotonic clock."""
    loop_lag_seconds: float = 0.0
    """The largest delay of the event loop since the previous sample."""
