"""What readers read from: the running sidecar's own objects, and the system."""

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
    """One sidecar's. `now` and `loop_lag_seconds` are those of the sample that is being taken."""

    look: Callable[[], Snapshot]
    """Gives the cache's state."""
    requests: RequestStats
    connections: Callable[[], int]
    """How many are open to the data API."""
    collections: Collections
    pids: Callable[[], Mapping[str, int]]
    data_dir: Path
    group: ControlGroup
    now: float = 0.0
    """By a clock that never goes back."""
    loop_lag_seconds: float = 0.0
    """By how much the event loop was late at worst, since the sample before."""
