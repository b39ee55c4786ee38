"""Prometheus metrics: collectors that read plain snapshots when they are scraped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from sidecar.control import Control
from sidecar.model.snapshot import Snapshot
from sidecar.model.stats import LATENCY_BOUNDS, RequestStats
from sidecar.signals.processes import disk_free_bytes, resident_bytes
from sidecar.telemetry.families import PREFIX, counter, gauge
from sidecar.telemetry.optimizer import OptimizerCollector
from sidecar.telemetry.signals import SignalCollector

TIMED = frozenset({"get", "put", "delete", "mget", "mset", "mdelete", "invalidate"})
"""The operations whose durations are of interest, and of which each has 19 series."""


@dataclass(frozen=True, slots=True)
class ConfigReport:
    """What a scrape says about the configuration."""

    revision: str
    source: str
    last_reload_successful: bool
    applied_at: float
    last_contact_at: float | None
    """When the source could last be read; None where there is no source but the defaults."""
    reloads: Mapping[tuple[str, str], int]
    """By source and result."""


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """What a scrape says about the processes."""

    version: str
    l3_pid: int | None
    l3_restarts: Mapping[str, int]
    connections: Mapping[str, int]
    data_dir: Path


def registry(
    cache: Callable[[], Snapshot],
    config: Callable[[], ConfigReport],
    process: Callable[[], ProcessReport],
    requests: Mapping[str, RequestStats],
    control: Control,
) -> CollectorRegistry:
    """A registry of its own, with every metric of the sidecar."""
    registered = CollectorRegistry()
    registered.register(CacheCollector(cache))
    registered.register(RequestCollector(requests))
    registered.register(ConfigCollector(config))
    registered.register(ProcessCollector(process))
    registered.register(SignalCollector(control))
    registered.register(OptimizerCollector(control))
    return registered


def render(registered: CollectorRegistry, accept: str) -> tuple[str, bytes]:
    """Content type and body, in the format that the scraper prefers."""
    encoder, content_type = choose_encoder(accept)
    return content_type, encoder(registered)


class CacheCollector(Collector):
    """The tiers, and L3's own figures."""

    def __init__(self, state: Callable[[], Snapshot]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        lookups = counter(
            "lookups", "Look-ups that reached a tier, by what they found.", ["tier", "result"]
        )
        evictions = counter("evictions", "Entries pushed out for room.", ["tier", "policy"])
        expirations = counter("expirations", "Entries removed for age.", ["tier"])
        promotions = counter("promotions", "Entries moved to a higher tier.", ["from", "to"])
        demotions = counter("demotions", "Entries moved to a lower tier.", ["from", "to"])
        entries = gauge("entries", "Entries in the tier.", ["tier"])
        used = gauge("used_bytes", "Bytes that the tier's entries take.", ["tier"])
        capacity_entries = gauge("capacity_entries", "Entries that the tier may hold.", ["tier"])
        capacity_bytes = gauge("capacity_bytes", "Bytes that the tier may hold.", ["tier"])
        for tier in state.tiers:
            name, counts = str(tier.tier), tier.counts
            for result in ("hit", "miss", "expired"):
                field = {"hit": "hits", "miss": "misses"}.get(result, result)
                lookups.add_metric([name, result], getattr(counts, field))
            evictions.add_metric([name, tier.policy], counts.evictions)
            expirations.add_metric([name], counts.expirations)
            entries.add_metric([name], tier.entries)
            used.add_metric([name], tier.used_bytes)
            capacity_entries.add_metric([name], tier.max_entries if tier.enabled else 0)
            capacity_bytes.add_metric([name], tier.max_bytes if tier.enabled else 0)
        totals = state.counts
        promotions.add_metric(["l2", "l1"], totals.l2.promotions)
        promotions.add_metric(["l3", "l2"], totals.l3.promotions)
        demotions.add_metric(["l1", "l2"], totals.l1.demotions)
        demotions.add_metric(["l2", "l3"], totals.l2.demotions)
        yield from (lookups, evictions, expirations, promotions, demotions)
        yield from (entries, used, capacity_entries, capacity_bytes)
        up = gauge("l3_up", "Whether L3 answers: 1, or 0 while it is opened or out of reach.")
        up.add_metric([], state.l3_state == "up")
        pending = gauge("l3_pending_compaction_bytes", "Bytes that RocksDB has yet to rewrite.")
        pending.add_metric([], state.l3_pending_compaction_bytes)
        timeouts = counter("l3_timeouts", "Reads that L3 did not answer in time: misses.", [])
        timeouts.add_metric([], totals.timeouts)
        yield from (up, pending, timeouts)


class RequestCollector(Collector):
    """Requests by protocol and operation."""

    def __init__(self, stats: Mapping[str, RequestStats]) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        requests = counter(
            "requests",
            "Requests answered: ok, miss (404), rejected (other 4xx) or failed (5xx).",
            ["protocol", "operation", "result"],
        )
        durations = HistogramMetricFamily(
            f"{PREFIX}request_duration_seconds",
            "Time from a parsed request to its reply, of the operations on entries.",
            labels=["protocol", "operation"],
        )
        shed = counter("shed_requests", "Turned away because of load.", ["protocol", "reason"])
        for protocol, stats in self._stats.items():
            for (operation, result), count in _results(stats).items():
                requests.add_metric([protocol, operation, result], count)
            for operation in sorted(TIMED & stats.latencies.keys()):
                latency = stats.latencies[operation]
                counts = accumulate(latency.buckets)
                bounds = [*map(str, LATENCY_BOUNDS), "+Inf"]
                buckets = list(zip(bounds, map(float, counts), strict=True))
                durations.add_metric([protocol, operation], buckets, latency.sum_seconds)
            for reason, count in stats.shed.items():
                shed.add_metric([protocol, reason], count)
        yield from (requests, durations, shed)


class ConfigCollector(Collector):
    """What is in force."""

    def __init__(self, report: Callable[[], ConfigReport]) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        report = self._report()
        successful = gauge(
            "config_last_reload_successful", "1 where the last document that was seen is in force."
        )
        successful.add_metric([], report.last_reload_successful)
        applied = gauge(
            "config_last_reload_success_timestamp_seconds",
            "When the document in force was put in force, in seconds since 1970.",
        )
        applied.add_metric([], report.applied_at)
        contact = gauge(
            "config_source_last_contact_timestamp_seconds",
            "When the source of documents could last be read, in seconds since 1970.",
        )
        if report.last_contact_at is not None:
            contact.add_metric([], report.last_contact_at)
        reloads = counter(
            "config_reloads", "Documents seen, by success or failure.", ["source", "result"]
        )
        for (source, result), count in report.reloads.items():
            reloads.add_metric([source, result], count)
        info = gauge("config_info", "1 for the document in force.", ["revision", "source"])
        info.add_metric([report.revision, report.source], 1)
        yield from (successful, applied, contact, reloads, info)


class ProcessCollector(Collector):
    """Memory of both processes, L3's restarts and disk, connections, version."""

    def __init__(self, report: Callable[[], ProcessReport]) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        report = self._report()
        resident = gauge(
            "process_resident_memory_bytes", "Resident memory of a process.", ["process"]
        )
        for process, pid in (("main", os.getpid()), ("l3", report.l3_pid)):
            if pid is not None and (size := resident_bytes(pid)) is not None:
                resident.add_metric([process], size)
        yield resident
        restarts = counter("l3_restarts", "Times that L3's process ended.", ["reason"])
        for reason, count in report.l3_restarts.items():
            restarts.add_metric([reason], count)
        connections = gauge("connections", "Open connections.", ["protocol"])
        for protocol, count in report.connections.items():
            connections.add_metric([protocol], count)
        build = gauge("build_info", "The version that runs.", ["version"])
        build.add_metric([report.version], 1)
        yield from (restarts, connections, build)
        disk = disk_free_bytes(report.data_dir)
        if disk is not None:
            free = gauge("l3_disk_free_bytes", "Free on L3's volume.")
            free.add_metric([], disk[0])
            yield free


def _results(stats: RequestStats) -> dict[tuple[str, str], int]:
    """Statuses folded into few results, so that the number of series stays small."""
    results: dict[tuple[str, str], int] = {}
    for (operation, status), count in stats.outcomes.items():
        key = operation, _result(status)
        results[key] = results.get(key, 0) + count
    return results


def _result(status: int) -> str:
    if status < 400:
        return "ok"
    if status == 404:
        return "miss"
    return "rejected" if status < 500 else "failed"
