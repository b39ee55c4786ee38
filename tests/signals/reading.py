"""Sources for readers of signals: a cache with fixed figures, this process, a fixture tree."""

from __future__ import annotations

import os
from pathlib import Path

from sidecar.model.entry import Tier
from sidecar.model.snapshot import Snapshot, TierSnapshot
from sidecar.model.stats import RequestStats, StoreStats, TierStats
from sidecar.process.cgroup import ControlGroup
from sidecar.process.garbage import Collections
from sidecar.signals.sources import Sources


def a_snapshot() -> Snapshot:
    counts = StoreStats()
    tiers = tuple(
        TierSnapshot(tier, True, "lru", 50, 1000, 100, 10_000, TierStats()) for tier in Tier
    )
    return Snapshot((tiers[0], tiers[1], tiers[2]), counts, "up", 0, 0, 3, 0)


def sources(root: Path) -> Sources:
    """`root` is the file system from which the control group is read."""
    return Sources(
        look=a_snapshot,
        requests={"http": RequestStats(), "resp": RequestStats()},
        connections=lambda: 1,
        collections=Collections(),
        pids=lambda: {"main": os.getpid()},
        data_dir=root,
        group=ControlGroup(root),
    )
