"""Takes the state of the store, for those who only look."""

from __future__ import annotations

from sidecar.model.entry import L1, L2, L3
from sidecar.model.snapshot import Snapshot, TierSnapshot
from sidecar.store.store import Store


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
            (L1, tiers.l1, store.l1),
            (L2, tiers.l2, store.l2),
        )
    ]
    l3 = TierSnapshot(
        L3,
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
