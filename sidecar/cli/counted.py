"""The structure of /v1/stats, and the differences between two of its responses."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct


class TierCounts(Struct, frozen=True):
    """One tier: its contents, its limits, and its counters since the start."""

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
    stale: int = 0

    @property
    def lookups(self) -> int:
        """Lookups that reached the tier."""
        return self.hits + self.stale + self.misses + self.expired

    @property
    def fill(self) -> float:
        """Entries or bytes over their limit, whichever is higher."""
        return max(self.entries / self.max_entries, self.used_bytes / self.max_bytes)


class L3Health(Struct, frozen=True):
    """The state of L3's process; `state` is opening, up or down."""

    state: str
    folder_bytes: int
    pending_compaction_bytes: int
    waiting: int
    timeouts: int


class ProtocolCounts(Struct, frozen=True):
    """A protocol of applications. `trouble` is why its default port is not listened on."""

    listening: bool
    trouble: str | None
    connections: int
    requests: int
    shed: int


class Stats(Struct, frozen=True):
    """The response of GET /v1/stats. Tiers are those of this version, fastest first; an earlier one
    has no protocols.
    """

    hit_ratio: float
    hits: int
    misses: int
    tiers: dict[str, TierCounts]
    l3: L3Health
    protocols: dict[str, ProtocolCounts] = {}

    @property
    def lookups(self) -> int:
        stale = sum(tier.stale for tier in self.tiers.values())
        return self.hits + stale + self.misses

    @property
    def counters(self) -> list[int]:
        """The counters, which only increase during the life of a process."""
        counters = [self.hits, self.misses, self.l3.timeouts]
        for tier in self.tiers.values():
            counters += [tier.hits, tier.stale, tier.misses, tier.expired, tier.evictions]
        for protocol in self.protocols.values():
            counters += [protocol.requests, protocol.shed]
        return counters


@dataclass(frozen=True, slots=True)
class TierGrowth:
    """One tier between two samples. `hit_ratio` is None if no lookup reached it."""

    hits_per_second: float
    evictions_per_second: float
    hit_ratio: float | None


@dataclass(frozen=True, slots=True)
class Growth:
    """The cache between two samples. `shares` are the shares of lookups by each tier's name, and
    `miss`; they add up to 1. Without lookups there are none.
    """

    lookups_per_second: float
    hit_ratio: float | None
    shares: dict[str, float]
    tiers: dict[str, TierGrowth]
    requests_per_second: dict[str, float]
    """By protocol."""


def growth(before: Stats, after: Stats, seconds: float) -> Growth | None:
    """The difference of two samples that are `seconds` apart; None if the process has restarted."""
    if (
        before.tiers.keys() != after.tiers.keys()
        or before.protocols.keys() != after.protocols.keys()
        or any(now < then for then, now in zip(before.counters, after.counters, strict=True))
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
        requests_per_second={
            name: (now.requests - before.protocols[name].requests) / seconds
            for name, now in after.protocols.items()
        },
    )


def _of_tier(before: TierCounts, after: TierCounts, seconds: float) -> TierGrowth:
    hits, lookups = after.hits - before.hits, after.lookups - before.lookups
    return TierGrowth(
        hits_per_second=hits / seconds,
        evictions_per_second=(after.evictions - before.evictions) / seconds,
        hit_ratio=hits / lookups if lookups else None,
    )
