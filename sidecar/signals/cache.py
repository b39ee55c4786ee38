"""Signals of the cache and of its tiers."""

from __future__ import annotations

from sidecar.model.snapshot import Snapshot, TierSnapshot
from sidecar.signals.signal import Gauge, Rate, Ratio, Reader, Signal


def cache_readings(state: Snapshot) -> dict[str, float]:
    """The raw readings of the store."""
    counts = state.counts
    found: dict[str, float] = {
        "cache.hits": counts.hits,
        "cache.misses": counts.misses,
        "cache.lookups": counts.hits + counts.stale + counts.misses,
        "cache.hit_bytes": counts.hit_bytes,
        "cache.moved_bytes": counts.hit_bytes + counts.put_bytes,
        "cache.promotions": sum(tier.promotions for tier in counts.tiers.values()),
        "cache.demotions": sum(tier.demotions for tier in counts.tiers.values()),
        "network.received_bytes": counts.put_bytes,
        "network.sent_bytes": counts.hit_bytes,
    }
    for tier in state.tiers:
        name, counted = f"cache.{tier.tier}", tier.counts
        found[f"{name}.hits"] = counted.hits
        found[f"{name}.lookups"] = counted.hits + counted.stale + counted.misses + counted.expired
        found[f"{name}.evictions"] = counted.evictions
        if tier.enabled:
            found[f"{name}.fill"] = fill(tier)
    if state.l3_state == "up":
        found["io.l3_queue"] = state.l3_waiting
        found["io.pending_compaction_bytes"] = state.l3_pending_compaction_bytes
    return found


def fill(tier: TierSnapshot) -> float:
    """The larger of entries and bytes over their limits."""
    return max(tier.entries / tier.max_entries, tier.used_bytes / tier.max_bytes)


CACHE = Reader(lambda sources: cache_readings(sources.look()))


def _tier(tier: str, name: str) -> tuple[Signal, ...]:
    return (
        Signal(
            f"cache.{tier}.hit_ratio",
            "ratio",
            f"Hits of {name} over the lookups that reached it.",
            Ratio(f"cache.{tier}.hits", f"cache.{tier}.lookups"),
            CACHE,
            better="higher",
        ),
        Signal(
            f"cache.{tier}.hits_per_second",
            "per second",
            f"Lookups that {name} answered.",
            Rate(f"cache.{tier}.hits"),
            CACHE,
        ),
        Signal(
            f"cache.{tier}.fill",
            "ratio",
            f"How full {name} is: its entries or its bytes over its limit, the larger of the two.",
            Gauge(f"cache.{tier}.fill"),
            CACHE,
        ),
        Signal(
            f"cache.{tier}.evictions_per_second",
            "per second",
            f"Entries that {name} evicted to make room.",
            Rate(f"cache.{tier}.evictions"),
            CACHE,
            better="lower",
        ),
    )


SIGNALS = (
    Signal(
        "cache.hit_ratio",
        "ratio",
        "Lookups that any tier answered over all lookups.",
        Ratio("cache.hits", "cache.lookups"),
        CACHE,
        better="higher",
    ),
    Signal(
        "cache.byte_hit_ratio",
        "ratio",
        "Bytes of hits over bytes of hits and puts. (What a miss would have been is not known; "
        "an application that looks aside puts it.)",
        Ratio("cache.hit_bytes", "cache.moved_bytes"),
        CACHE,
        better="higher",
    ),
    Signal(
        "cache.misses_per_second",
        "per second",
        "Lookups that no tier answered.",
        Rate("cache.misses"),
        CACHE,
    ),
    *_tier("l1", "L1"),
    *_tier("l2", "L2"),
    *_tier("l3", "L3"),
    Signal(
        "cache.promotions_per_second",
        "per second",
        "Entries that moved to a higher tier.",
        Rate("cache.promotions"),
        CACHE,
    ),
    Signal(
        "cache.demotions_per_second",
        "per second",
        "Entries that moved to a lower tier.",
        Rate("cache.demotions"),
        CACHE,
    ),
)
