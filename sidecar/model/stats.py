"""Counters of the data path, as plain integers. Collectors read them on each scrape."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import add
from types import MappingProxyType

from sidecar.model.entry import Tier


@dataclass(slots=True)
class TierStats:
    """Counters of one tier since the start."""

    hits: int = 0
    misses: int = 0
    expired: int = 0  # lookups that found an expired entry
    stale: int = 0  # lookups that were answered with a stale entry
    evictions: int = 0
    expirations: int = 0
    promotions: int = 0  # entries that left for a higher tier
    demotions: int = 0  # entries that left for a lower tier
    earlier: dict[str, int] = field(default_factory=dict)
    """Evictions under earlier policies, by policy."""

    def leave_policy(self, policy: str) -> None:
        """Attribute the evictions since the last change to `policy`, which is being replaced."""
        self.earlier = self.evictions_by_policy(policy)

    def evictions_by_policy(self, policy: str) -> dict[str, int]:
        """All evictions by policy; `policy` is the current one."""
        latest = self.evictions - sum(self.earlier.values())
        return self.earlier | {policy: self.earlier.get(policy, 0) + latest}


@dataclass(slots=True)
class NamespaceStats:
    """Counters of one namespace since it was named."""

    hits: int = 0  # lookups that any tier answered
    misses: int = 0


@dataclass(slots=True)
class StoreStats:
    """Counters of the whole cache since the start."""

    tiers: Mapping[Tier, TierStats] = field(
        default_factory=lambda: MappingProxyType({tier: TierStats() for tier in Tier})
    )
    """In the order of lookup."""
    hit_bytes: int = 0  # of values returned by lookups
    put_bytes: int = 0  # of values stored by clients
    timeouts: int = 0  # reads that L3 did not answer in time: counted as misses
    damaged: int = 0  # versions in L3 that are not what was put: counted as misses
    warmed: int = 0  # entries brought back into memory after the start
    namespaces: dict[bytes, NamespaceStats] = field(default_factory=dict)
    """Counters of the namespaces listed in the configuration."""

    def name(self, namespaces: Iterable[str]) -> None:
        """Count only these namespaces from now on; existing counters keep their values."""
        before = self.namespaces
        names = [name.encode() for name in namespaces]
        self.namespaces = {name: before.get(name) or NamespaceStats() for name in names}

    def count_in_namespace(self, key: bytes, *, hit: bool) -> None:
        """Count a lookup of a full key if its namespace is listed."""
        namespace = self.namespaces.get(key.partition(b"/")[0])
        if namespace is None:
            return
        if hit:
            namespace.hits += 1
        else:
            namespace.misses += 1

    @property
    def hits(self) -> int:
        """Lookups that any tier answered with a fresh entry."""
        return sum(tier.hits for tier in self.tiers.values())

    @property
    def stale(self) -> int:
        """Lookups that any tier answered with a stale entry: no hits, and no misses."""
        return sum(tier.stale for tier in self.tiers.values())

    @property
    def misses(self) -> int:
        """Lookups that no tier answered. A lookup stops at an expired entry."""
        tiers = list(self.tiers.values())
        return tiers[-1].misses + sum(tier.expired for tier in tiers)

    @property
    def hit_ratio(self) -> float:
        lookups = self.hits + self.stale + self.misses
        return self.hits / lookups if lookups else 0.0


LATENCY_BOUNDS = (
    *(0.000025, 0.00005, 0.0001, 0.00025, 0.0005),
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
"""Upper bounds of the latency histogram's buckets, in seconds; the last bucket is unbounded."""
SHORTEST = LATENCY_BOUNDS[0]


@dataclass(slots=True)
class Latency:
    """A histogram of seconds: a count for each bucket, and their sum."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS) + 1))
    sum_seconds: float = 0.0

    @property
    def count(self) -> int:
        return sum(self.buckets)


SHED_REASONS = ("connections", "silent", "buffers", "late", "in_flight")
"""Too many connections; a silent connection closed for a new one; too many buffered bytes; more
requests than can be answered in time, or too many in progress."""


@dataclass(slots=True)
class RequestStats:
    """Counters of the requests of one protocol."""

    answered: dict[tuple[str, int], Latency] = field(default_factory=dict)
    """Latencies of all requests by operation and status, in one dict for speed."""
    shed: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(SHED_REASONS, 0)))
    """Requests refused before processing, by reason."""
    in_flight: int = 0
    """Requests in progress now."""
    most_in_flight: int = 0
    """The highest value of `in_flight` since the last `take_most_in_flight`."""

    def take_most_in_flight(self) -> int:
        """The highest number of requests in progress since the last call. For a single caller."""
        most, self.most_in_flight = self.most_in_flight, self.in_flight
        return most

    def observe(self, operation: str, status: int, seconds: float, count: int = 1) -> None:
        try:  # cheaper than a check before, since every request runs this
            latency = self.answered[operation, status]
        except KeyError:
            latency = self.answered[operation, status] = Latency()
        # Most requests are hits in memory, which fall into the first bucket.
        latency.buckets[bisect_left(LATENCY_BOUNDS, seconds) if seconds > SHORTEST else 0] += count
        latency.sum_seconds += seconds * count

    @property
    def answered_count(self) -> int:
        """All requests answered."""
        return sum(latency.count for latency in self.answered.values())

    def outcomes(self) -> dict[tuple[str, int], int]:
        """The number of requests answered, by operation and status."""
        return {outcome: latency.count for outcome, latency in self.answered.items()}

    def latencies(self) -> dict[str, Latency]:
        """Latencies by operation, over all statuses."""
        found: dict[str, Latency] = {}
        for (operation, _), latency in self.answered.items():
            whole = found.setdefault(operation, Latency())
            whole.buckets = [*map(add, whole.buckets, latency.buckets)]
            whole.sum_seconds += latency.sum_seconds
        return found
