"""The state of the cache at one moment, as plain values: for stats, metrics and signals."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.model.entry import Tier
from sidecar.model.stats import StoreStats, TierStats


@dataclass(frozen=True, slots=True)
class TierSnapshot:
    """One tier: its limits, its contents and its counters."""

    tier: Tier
    enabled: bool
    policy: str
    entries: int
    used_bytes: int
    max_entries: int
    max_bytes: int
    counts: TierStats


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole cache. `l3_state` is opening, up or down. The counters are live, not copied."""

    tiers: tuple[TierSnapshot, ...]  # in the order of lookup
    counts: StoreStats
    l3_state: str
    l3_folder_bytes: int
    l3_pending_compaction_bytes: int
    l3_waiting: int
    max_value_bytes: int
