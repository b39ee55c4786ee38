"""Takes the state of the store as plain values, for statistics, metrics and signals."""

from __future__ import annotations

from sidecar.config.values import TierConfig
from sidecar.model.entry import L1, L2, L3, Tier
from sidecar.model.snapshot import Snapshot, TierSnapshot
from sidecar.model.stats import StoreStats
from sidecar.store.store import Store


def snapshot(store: Store) -> Snapshot:
    """A snapshot. Cheap enough for every scrape, since it only reads existing counters."""
    status = store.l3_status
    held = {
        L1: (len(store.l1), store.l1.used_bytes),
        L2: (len(store.l2), store.l2.used_bytes),
    }
    held[L3] = (status.entries, status.used_bytes) if status else (0, 0)
    tiers = [
        tier_snapshot(tier, store.config.tiers.of(tier), *amounts, store.stats)
        for tier, amounts in held.items()
    ]
    return Snapshot(
        tiers=tuple(tiers),
        counts=store.stats,
        l3_state=store.l3_state,
        l3_folder_bytes=status.folder_bytes if status else 0,
        l3_pending_compaction_bytes=status.pending_compaction_bytes if status else 0,
        l3_waiting=store.disk.waiting,
        max_value_bytes=store.config.max_value_bytes,
    )


def tier_snapshot(
    tier: Tier, config: TierConfig, entries: int, used_bytes: int, counts: StoreStats
) -> TierSnapshot:
    """A tier: its configuration, its content and its counters."""
    return TierSnapshot(
        tier,
        config.enabled,
        config.policy,
        entries,
        used_bytes,
        config.max_entries,
        config.max_bytes,
        counts.tiers[tier],
    )
