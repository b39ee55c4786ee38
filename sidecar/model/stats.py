"""What the data path counts, in plain integers. Collectors read them when they are scraped."""

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
    expired: int = 0  # lookups that found an entry past its life
    evictions: int = 0
    expirations: int = 0
    promotions: int = 0  # entries that left for a higher tier
    demotions: int = 0  # entries that left for a lower tier
    earlier: dict[str, int] = field(default_factory=dict)
    """Evictions under policies that are no longer in force."""

    def leave_policy(self, policy: str) -> None:
        """Another one is in force from now on: what was evicted since the last was this one's."""
        self.earlier = self.evictions_by_policy(policy)

    def evictions_by_policy(self, policy: str) -> dict[str, int]:
        """All of them, where `policy` is the one in force."""
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
    hit_bytes: int = 0  # of values that lookups gave
    put_bytes: int = 0  # of values that came
    timeouts: int = 0  # reads that L3 did not answer in time: counted as misses
    warmed: int = 0  # entries brought back into memory after the start
    namespaces: dict[bytes, NamespaceStats] = field(default_factory=dict)
    """Of those that the configuration names."""

    def name(self, namespaces: Iterable[str]) -> None:
        """Count these apart from now on, and no others; those that were stay as they are."""
        before = self.namespaces
        names = [name.encode() for name in namespaces]
        self.namespaces = {name: before.get(name) or NamespaceStats() for name in names}

    def count_in_namespace(self, key: bytes, *, hit: bool) -> None:
        """Count a lookup of a full key where its namespace is named."""
        namespace = self.namespaces.get(key.partition(b"/")[0])
        if namespace is None:
            return
        if hit:
            namespace.hits += 1
        else:
            namespace.misses += 1

    @property
    def hits(self) -> int:
        """Lookups that any tier answered."""
        return sum(tier.hits for tier in self.tiers.values())

    @property
    def misses(self) -> int:
        """Lookups that no tier answered. An expired entry ends the search where it is found."""
        tiers = list(self.tiers.values())
        return tiers[-1].misses + sum(tier.expired for tier in tiers)

    @property
    def hit_ratio(self) -> float:
        lookups = self.hits + self.misses
        return self.hits / lookups if lookups else 0.0


LATENCY_BOUNDS = (
    *(0.000025, 0.00005, 0.0001, 0.00025, 0.0005),
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
"""Upper bounds of the latency histogram's buckets, in seconds; one more is open above."""
SHORTEST = LATENCY_BOUNDS[0]


@dataclass(slots=True)
class Latency:
    """A histogram of seconds: a count for each bucket, and their sum."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BOUNDS) + 1))
    sum_seconds: float = 0.0

    @property
    def count(self) -> int:
        return sum(self.buckets)


SHED_REASONS = ("connections", "buffers", "in_flight")
"""Too many connections, too many bytes of bodies under way, or too many requests."""


@dataclass(slots=True)
class RequestStats:
    """What one protocol's requests came to."""

    answered: dict[tuple[str, int], Latency] = field(default_factory=dict)
    """By operation and status, in one place: every request counts here."""
    shed: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(SHED_REASONS, 0)))
    """Turned away before they were looked at, by reason."""
    in_flight: int = 0
    """Requests under way now."""
    most_in_flight: int = 0
    """The most of them since `take_most_in_flight`."""

    def take_most_in_flight(self) -> int:
        """The most that were under way at one time since the last call: for one caller alone."""
        most, self.most_in_flight = self.most_in_flight, self.in_flight
        return most

    def observe(self, operation: str, status: int, seconds: float) -> None:
        try:  # cheaper than to ask first: every request comes by here
            latency = self.answered[operation, status]
        except KeyError:
            latency = self.answered[operation, status] = Latency()
        # Most requests are hits in memory, which the first bucket has.
        latency.buckets[bisect_left(LATENCY_BOUNDS, seconds) if seconds > SHORTEST else 0] += 1
        latency.sum_seconds += seconds

    def outcomes(self) -> dict[tuple[str, int], int]:
        """How many requests were answered, by operation and status."""
        return {outcome: latency.count for outcome, latency in self.answered.items()}

    def latencies(self) -> dict[str, Latency]:
        """By operation, whatever the status."""
        found: dict[str, Latency] = {}
        for (operation, _), latency in self.answered.items():
            whole = found.setdefault(operation, Latency())
            whole.buckets = [*map(add, whole.buckets, latency.buckets)]
            whole.sum_seconds += latency.sum_seconds
        return found
