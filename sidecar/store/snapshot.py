"""The state of the cache at one moment, as plain values: for stats and metrics."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.model.entry import Tier
from sidecar.model.stats import StoreStats, TierStats
from sidecar.store.store import Store


@dataclass(frozen=True, slots=True)
class TierSnapshot:
    """One tier: what it may hold, what it holds, what it has counted."""

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
    """The whole cache. `l3_state` is opening, up or down."""

    tiers: tuple[TierSnapshot, TierSnapshot, TierSnapshot]
    counts: StoreStats
    l3_state: str
    l3_folder_bytes: int
    l3_pending_compaction_bytes: int
    l3_waiting: int


def snapshot(store: Store) -> Snapshot:
    """Cheap enough for every scrape: it counts nothing that is not counted already."""
    tiers = store.config.tiers
    status = store.disk.status
    memory = [
        TierSnapshot(
            tier,
            config.enabled,
            config.policy,
            len(held),
            held.used_bytes,
            config.max_entries,
            config.max_bytes,
            store.stats.of(tier),
        )
        for tier, config, held in (
            (Tier.L1, tiers.l1, store.l1),
            (Tier.L2, tiers.l2, store.l2),
        )
    ]
    l3 = TierSnapshot(
        Tier.L3,
        tiers.l3.enabled,
        tiers.l3.policy,
        status.entries if status else 0,
        status.used_bytes if status else 0,
        tiers.l3.max_entries,
        tiers.l3.max_bytes,
        store.stats.l3,
    )
    return Snapshot(
        tiers=(memory[0], memory[1], l3),
        counts=store.stats,
        l3_state=store.disk.state,
        l3_folder_bytes=status.folder_bytes if status else 0,
        l3_pending_compaction_bytes=status.pending_compaction_bytes if status else 0,
        l3_waiting=store.disk.waiting,
    )
