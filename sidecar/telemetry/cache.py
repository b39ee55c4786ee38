"""Metrics of the cache: lookups, moves between tiers, and the contents of the tiers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from sidecar.model.snapshot import Snapshot
from sidecar.telemetry.families import counter, gauge


class CacheCollector(Collector):
    """The tiers, and L3's own metrics."""

    def __init__(self, state: Callable[[], Snapshot]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        yield from _lookups(state)
        yield from _moves(state)
        yield from _contents(state)
        up = gauge("l3_up", "1 while L3 answers; 0 while it is opening, down or disabled.")
        up.add_metric([], state.l3_state == "up")
        pending = gauge("l3_pending_compaction_bytes", "Bytes that RocksDB has yet to compact.")
        pending.add_metric([], state.l3_pending_compaction_bytes)
        timeouts = counter(
            "l3_timeouts", "Reads that L3 did not answer in time, which are misses.", []
        )
        timeouts.add_metric([], state.counts.timeouts)
        damaged = counter(
            "l3_damaged_entries", "Reads of entries in L3 that are damaged, which are misses.", []
        )
        damaged.add_metric([], state.counts.damaged)
        yield from (up, pending, timeouts, damaged)


def _lookups(state: Snapshot) -> Iterator[Metric]:
    """A lookup goes from tier to tier until one answers it."""
    lookups = counter(
        "lookups",
        "Lookups that reached a tier, by result. All lookups reach l1, so the hits of all tiers "
        "over the lookups of l1 are the cache's hit ratio.",
        ["tier", "result"],
    )
    for tier in state.tiers:
        name, counts = str(tier.tier), tier.counts
        lookups.add_metric([name, "hit"], counts.hits)
        lookups.add_metric([name, "miss"], counts.misses)
        lookups.add_metric([name, "expired"], counts.expired)
        lookups.add_metric([name, "stale"], counts.stale)
    yield lookups
    named = counter(
        "namespace_lookups",
        "Lookups in a namespace that cache.yaml lists, by whether any tier answered.",
        ["cache_namespace", "result"],
    )
    for namespace, found in state.counts.namespaces.items():
        named.add_metric([namespace.decode(), "hit"], found.hits)
        named.add_metric([namespace.decode(), "miss"], found.misses)
    yield named


def _moves(state: Snapshot) -> Iterator[Metric]:
    evictions = counter(
        "evictions",
        "Entries evicted to make room, by the policy that chose them.",
        ["tier", "policy"],
    )
    expirations = counter("expirations", "Entries removed because they had expired.", ["tier"])
    for tier in state.tiers:
        for policy, count in tier.counts.evictions_by_policy(tier.policy).items():
            evictions.add_metric([str(tier.tier), policy], count)
        expirations.add_metric([str(tier.tier)], tier.counts.expirations)
    promotions = counter("promotions", "Entries moved to a faster tier.", ["from", "to"])
    demotions = counter("demotions", "Entries moved to a slower tier to make room.", ["from", "to"])
    for upper, lower in pairwise(state.tiers):
        promotions.add_metric([str(lower.tier), str(upper.tier)], lower.counts.promotions)
        demotions.add_metric([str(upper.tier), str(lower.tier)], upper.counts.demotions)
    yield from (evictions, expirations, promotions, demotions)


def _contents(state: Snapshot) -> Iterator[Metric]:
    entries = gauge("entries", "Entries in a tier.", ["tier"])
    used = gauge("used_bytes", "Bytes used by a tier's entries, overhead included.", ["tier"])
    capacity_entries = gauge(
        "capacity_entries", "Maximum number of entries of a tier; 0 if it is disabled.", ["tier"]
    )
    capacity_bytes = gauge(
        "capacity_bytes", "Maximum bytes of a tier; 0 if it is disabled.", ["tier"]
    )
    for tier in state.tiers:
        labels = [str(tier.tier)]
        entries.add_metric(labels, tier.entries)
        used.add_metric(labels, tier.used_bytes)
        capacity_entries.add_metric(labels, tier.max_entries if tier.enabled else 0)
        capacity_bytes.add_metric(labels, tier.max_bytes if tier.enabled else 0)
    yield from (entries, used, capacity_entries, capacity_bytes)
