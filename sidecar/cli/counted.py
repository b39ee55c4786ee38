"""What /v1/stats answers, as shapes, and what was counted between two of its answers."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct


class TierCounts(Struct, frozen=True):
    """One tier: what it holds and may hold, and its counters since the start."""

    enabled: bool
    policy: str
    entries: int
    max_entries: int
    used_bytes: int
    max_bytes: int
    hits: int
    misses: int
    expired: int
    evictions: int

    @property
    def lookups(self) -> int:
        """Those that reached it."""
        return self.hits + self.misses + self.expired

    @property
    def fill(self) -> float:
        """The larger of entries and bytes over their limits."""
        return max(self.entries / self.max_entries, self.used_bytes / self.max_bytes)


class L3Health(Struct, frozen=True):
    """How L3's process does: `state` is opening, up or down."""

    state: str
    folder_bytes: int
    pending_compaction_bytes: int
    waiting: int
    timeouts: int


class Stats(Struct, frozen=True):
    """GET /v1/stats. Tiers are those of this version, from the fastest."""

    hit_ratio: float
    hits: int
    misses: int
    tiers: dict[str, TierCounts]
    l3: L3Health

    @property
    def lookups(self) -> int:
        return self.hits + self.misses

    @property
    def counters(self) -> list[int]:
        """All that only grow while one process lives."""
        counters = [self.hits, self.misses, self.l3.timeouts]
        for tier in self.tiers.values():
            counters += [tier.hits, tier.misses, tier.expired, tier.evictions]
        return counters


@dataclass(frozen=True, slots=True)
class TierGrowth:
    """One tier between two looks. `hit_ratio` is None where no look-up reached it."""

    hits_per_second: float
    evictions_per_second: float
    hit_ratio: float | None


@dataclass(frozen=True, slots=True)
class Growth:
    """The cache between two looks. `shares` are where look-ups were answered: each tier's name, and
    `miss`; they add up to 1, and there are none without look-ups.
    """

    lookups_per_second: float
    hit_ratio: float | None
    shares: dict[str, float]
    tiers: dict[str, TierGrowth]


def growth(before: Stats, after: Stats, seconds: float) -> Growth | None:
    """What came between two looks so many seconds apart; None where another process counts now."""
    if before.tiers.keys() != after.tiers.keys() or any(
        now < then for then, now in zip(before.counters, after.counters, strict=True)
    ):
        return None
    lookups = after.lookups - before.lookups
    tiers = {name: (before.tiers[name], tier) for name, tier in after.tiers.items()}
    answered = {name: now.hits - then.hits for name, (then, now) in tiers.items()}
    answered["miss"] = after.misses - before.misses
    return Growth(
        lookups_per_second=lookups / seconds,
        hit_ratio=(after.hits - before.hits) / lookups if lookups else None,
        shares={name: count / lookups for name, count in answered.items()} if lookups else {},
        tiers={name: _of_tier(then, now, seconds) for name, (then, now) in tiers.items()},
    )


def _of_tier(before: TierCounts, after: TierCounts, seconds: float) -> TierGrowth:
    hits, lookups = after.hits - before.hits, after.lookups - before.lookups
    return TierGrowth(
        hits_per_second=hits / seconds,
        evictions_per_second=(after.evictions - before.evictions) / seconds,
        hit_ratio=hits / lookups if lookups else None,
    )
