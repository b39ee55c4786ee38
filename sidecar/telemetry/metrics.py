"""Prometheus metrics: collectors that read snapshots when scraped."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from sidecar.control import Control
from sidecar.loading.loader import Loader
from sidecar.model.config_report import ConfigReport
from sidecar.model.snapshot import Snapshot
from sidecar.model.stats import LATENCY_BOUNDS, RequestStats
from sidecar.process.usage import resident_bytes
from sidecar.serving.pace import Pace
from sidecar.telemetry.cache import CacheCollector
from sidecar.telemetry.families import PREFIX, counter, gauge
from sidecar.telemetry.optimizer import OptimizerCollector
from sidecar.telemetry.origins import OriginCollector
from sidecar.telemetry.signals import SignalCollector
from sidecar.telemetry.warmers import WarmerCollector
from sidecar.tiers.process import ENDS
from sidecar.warmers.warmers import Warmers

OPENMETRICS = "application/openmetrics-text"
RENDERINGS_PER_SECOND, RENDERINGS_AT_ONCE = 4.0, 20
"""A rendering takes the event loop up to 20 ms, so there are no more than this."""
MOST_SECONDS_OLD = 1.0

TIMED = {
    "http": frozenset({"get", "put", "delete", "mget", "mset", "mdelete", "invalidate"}),
    "resp": frozenset({"get", "set", "del", "mget", "mset"}),
    "ops": frozenset[str](),
}
"""By protocol, the operations with a duration histogram, of 19 series each."""
OTHER = "other"
OTHERS = frozenset(
    {
        *("auth", "client", "command", "config", "echo", "hello", "info", "ping", "quit"),
        *("bgsave", "lastsave", "role", "save", "time", "wait", "reset", "select", "script"),
        *("discard", "multi", "watch", "unwatch", "memory", "object", "type", "dbsize"),
        "randomkey",
        *("ttl", "pttl", "expiretime", "pexpiretime"),
        *("psubscribe", "pubsub", "punsubscribe", "subscribe", "unsubscribe"),
    }
)
"""Commands of the Redis protocol that are counted together, since they neither read nor write
values: each would have up to three series.
"""


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """The processes' values for a scrape."""

    version: str
    l3_pid: int | None
    l3_restarts: Mapping[str, int]
    connections: Mapping[str, int]
    listening: Mapping[str, bool]


def registry(
    cache: Callable[[], Snapshot],
    config: Callable[[], ConfigReport],
    process: Callable[[], ProcessReport],
    requests: Mapping[str, RequestStats],
    control: Control,
    *,
    loader: Loader,
    warmers: Warmers,
) -> CollectorRegistry:
    """A separate registry with every metric of the sidecar."""
    registered = CollectorRegistry()
    registered.register(CacheCollector(cache))
    registered.register(RequestCollector(requests))
    registered.register(ConfigCollector(config))
    registered.register(ProcessCollector(process))
    registered.register(SignalCollector(control))
    registered.register(OptimizerCollector(control))
    registered.register(OriginCollector(loader.origins))
    registered.register(WarmerCollector(warmers))
    return registered


def render(registered: CollectorRegistry, accept: str) -> tuple[str, bytes]:
    """The content type and the body, in the format that the scraper prefers: the classic one, or
    OpenMetrics 1.0.
    """
    encoder, content_type = choose_encoder(OPENMETRICS if _takes_openmetrics(accept) else "")
    return content_type, encoder(registered)


class Exposition:
    """The metrics as scrapers get them, rendered at a limited rate: scrapes cost the data path next
    to nothing, however many there are.
    """

    def __init__(
        self, registered: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._registered = registered
        self._clock = clock
        self._rendered: dict[bool, tuple[float, tuple[str, bytes]]] = {}
        """By whether it is OpenMetrics: when it was rendered, the content type and the body."""
        self._pace = Pace(RENDERINGS_PER_SECOND, RENDERINGS_AT_ONCE)
        self._next_at = 0.0

    def __call__(self, accept: str) -> tuple[str, bytes]:
        """The content type and the body: of now, or MOST_SECONDS_OLD at most if there are more
        scrapes than renderings.
        """
        now = self._clock()
        takes_openmetrics = _takes_openmetrics(accept)
        rendered = self._rendered.get(takes_openmetrics)
        if rendered is not None and now < self._next_at and now - rendered[0] < MOST_SECONDS_OLD:
            return rendered[1]
        self._next_at = now + self._pace.take(now)
        answer = render(self._registered, accept)
        self._rendered[takes_openmetrics] = now, answer
        return answer


def _takes_openmetrics(accept: str) -> bool:
    """Whether a scraper lists OpenMetrics, in a version that is written here."""
    for each in accept.split(","):
        name, *parameters = (part.strip().lower() for part in each.split(";"))
        if name == OPENMETRICS:
            return not any(parameter.startswith("version=0") for parameter in parameters)
    return False


class RequestCollector(Collector):
    """Requests by protocol and operation."""

    def __init__(self, stats: Mapping[str, RequestStats]) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        requests = counter(
            "requests",
            "Requests by result: ok, miss (404), rejected (another 4xx) or failed (5xx).",
            ["protocol", "operation", "result"],
        )
        durations = HistogramMetricFamily(
            f"{PREFIX}request_duration_seconds",
            "Seconds from a parsed request to its response, for operations on entries.",
            labels=["protocol", "operation"],
        )
        shed = counter(
            "shed_requests",
            "Requests and connections refused because of overload.",
            ["protocol", "reason"],
        )
        for protocol, stats in self._stats.items():
            others = OTHERS if protocol == "resp" else frozenset[str]()
            for (operation, result), count in _results(stats, others).items():
                requests.add_metric([protocol, operation, result], count)
            latencies = stats.latencies()
            for operation in sorted(TIMED[protocol] & latencies.keys()):
                latency = latencies[operation]
                counts = accumulate(latency.buckets)
                bounds = [*map(str, LATENCY_BOUNDS), "+Inf"]
                buckets = list(zip(bounds, map(float, counts), strict=True))
                durations.add_metric([protocol, operation], buckets, latency.sum_seconds)
            for reason, count in stats.shed.items():
                shed.add_metric([protocol, reason], count)
        yield from (requests, durations, shed)


class ConfigCollector(Collector):
    """The document in force, and the results of reloads."""

    def __init__(self, report: Callable[[], ConfigReport]) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        report = self._report()
        successful = gauge(
            "config_last_reload_successful",
            "1 if the last document seen is in force; 0 if it was rejected.",
        )
        successful.add_metric([], report.last_reload_successful)
        applied = gauge(
            "config_last_reload_success_timestamp_seconds",
            "When the document in force was applied, in seconds since 1970.",
        )
        applied.add_metric([], report.applied_at)
        contact = gauge(
            "config_source_last_contact_timestamp_seconds",
            "When the source of documents could last be read, in seconds since 1970.",
        )
        if report.last_contact_at is not None:
            contact.add_metric([], report.last_contact_at)
        reloads = counter(
            "config_reloads",
            "New documents, by source and by whether they were applied.",
            ["source", "result"],
        )
        for (source, result), count in report.reloads.items():
            reloads.add_metric([source, result], count)
        info = gauge(
            "config_info",
            "1 for the document in force, with the hash of its text and its source.",
            ["revision", "source"],
        )
        info.add_metric([report.revision, report.source], 1)
        yield from (successful, applied, contact, reloads, info)


class ProcessCollector(Collector):
    """Memory of both processes, L3's restarts, connections, version."""

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
        restarts = counter(
            "l3_restarts", "Number of times that L3's process exited and was restarted.", ["reason"]
        )
        for reason, count in (dict.fromkeys(ENDS, 0) | dict(report.l3_restarts)).items():
            restarts.add_metric([reason], count)
        connections = gauge("connections", "Open connections from clients.", ["protocol"])
        for protocol, count in report.connections.items():
            connections.add_metric([protocol], count)
        listening = gauge(
            "listening",
            "1 if a protocol is listened for; 0 if its default port was taken by another process.",
            ["protocol"],
        )
        for protocol, is_listening in report.listening.items():
            listening.add_metric([protocol], is_listening)
        build = gauge("build_info", "1 for the running version.", ["version"])
        build.add_metric([report.version], 1)
        yield from (restarts, connections, listening, build)


def _results(stats: RequestStats, others: frozenset[str]) -> dict[tuple[str, str], int]:
    """Requests by operation and result, with `others` together. There are few results, to keep the
    number of series small.
    """
    results: dict[tuple[str, str], int] = {}
    for (operation, status), count in stats.outcomes().items():
        key = OTHER if operation in others else operation, _result(status)
        results[key] = results.get(key, 0) + count
    return results


def _result(status: int) -> str:
    if status < 400:
        return "ok"
    if status == 404:
        return "miss"
    return "rejected" if status < 500 else "failed"
