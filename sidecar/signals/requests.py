"""Reads the request counters of the data API."""

from __future__ import annotations

from sidecar.model.stats import RequestStats
from sidecar.signals.signal import Reader, bucket_names


def request_readings(stats: RequestStats, connections: int) -> dict[str, float]:
    """The raw readings of the data API's requests and open connections.

    Call it once a second: it takes, and resets, the maximum of requests in progress.
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


REQUESTS = Reader(lambda sources: request_readings(sources.requests, sources.connections()))
