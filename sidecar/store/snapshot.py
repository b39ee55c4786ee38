"""Takes the state of the store as plain values, for statistics, metrics and signals."""

from __future__ import annotations

from sidecar.model.entry import L3, Tier
from sidecar.model.snapshot import Snapshot, TierSnapshot
from sidecar.store.store import Store


def snapshot(store: Store) -> Snapshot:
    """A snapshot. Cheap enough for every scrape, since it only reads existing counters."""
    status = store.l3_status
    tiers = [_tier(store, tier, len(held), held.used_bytes) for tier, held in store.memory.tiers]
    tiers.append(
        _tier(store, L3, status.entries if status else 0, status.used_bytes if status else 0)
    )
    return Snapshot(
        tiers=tuple(tiers),
        counts=store.stats,
        l3_state=store.l3_state,
        l3_folder_bytes=status.folder_bytes if status else 0,
        l3_pending_compaction_bytes=status.pending_compaction_bytes if status else 0,
        l3_waiting=store.disk.waiting,
    )


def _tier(store: Store, tier: Tier, entries: int, used_bytes: int) -> TierSnapshot:
    config = store.config.tiers.of(tier)
    return TierSnapshot(
        tier,
        config.enabled,
        config.policy,
        entries,
        used_bytes,
        config.max_entries,
        config.max_bytes,
        store.stats.tiers[tier],
    )
