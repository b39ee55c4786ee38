"""What the cache and its requests say of themselves, as raw readings."""

from __future__ import annotations

from sidecar.model.snapshot import Snapshot, TierSnapshot
from sidecar.model.stats import RequestStats
from sidecar.signals.history import bucket_names


def cache_readings(state: Snapshot) -> dict[str, float]:
    """The raw numbers that `table` names, of the store."""
    counts = state.counts
    found: dict[str, float] = {
        "cache.hits": counts.hits,
        "cache.misses": counts.misses,
        "cache.lookups": counts.hits + counts.misses,
        "cache.hit_bytes": counts.hit_bytes,
        "cache.moved_bytes": counts.hit_bytes + counts.put_bytes,
        "cache.promotions": sum(tier.promotions for tier in counts.tiers),
        "cache.demotions": sum(tier.demotions for tier in counts.tiers),
        "network.received_bytes": counts.put_bytes,
        "network.sent_bytes": counts.hit_bytes,
    }
    for tier in state.tiers:
        name = f"cache.{tier.tier}"
        found[f"{name}.hits"] = tier.counts.hits
        found[f"{name}.lookups"] = tier.counts.hits + tier.counts.misses + tier.counts.expired
        found[f"{name}.evictions"] = tier.counts.evictions
        if tier.enabled:
            found[f"{name}.fill"] = fill(tier)
    if state.l3_state == "up":
        found["io.l3_queue"] = state.l3_waiting
        found["io.pending_compaction_bytes"] = state.l3_pending_compaction_bytes
    return found


def fill(tier: TierSnapshot) -> float:
    """The larger of entries and bytes over their limits."""
    return max(tier.entries / tier.max_entries, tier.used_bytes / tier.max_bytes)


def request_readings(stats: RequestStats, connections: int) -> dict[str, float]:
    """The raw numbers that `table` names, of the data API's requests and open connections.

    To be taken once a second: it asks for the most in flight since the last time.
    """
    found: dict[str, float] = {
        "network.connections": connections,
        "network.in_flight": stats.take_most_in_flight(),
        "network.requests": sum(latency.count for latency in stats.answered.values()),
        "network.shed": sum(stats.shed.values()),
    }
    latencies = stats.latencies()
    for operation in ("get", "put"):
        latency = latencies.get(operation)
        names = bucket_names(f"http.{operation}")
        counts = [0] * len(names) if latency is None else latency.buckets
        found.update(zip(names, counts, strict=True))
    return found
