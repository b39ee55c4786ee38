"""Reads the request counters of the data API and of the Redis protocol."""

from __future__ import annotations

from collections.abc import Mapping
from operator import add

from sidecar.model.stats import RequestStats
from sidecar.signals.signal import Reader, bucket_names

HTTP, RESP = "http", "resp"
READS = {HTTP: ("get", "put"), RESP: ("get", "set")}
"""By protocol, the operations with a histogram."""


def request_readings(requests: Mapping[str, RequestStats], connections: int) -> dict[str, float]:
    """The raw readings of requests, by protocol and over both, and of open connections.

    Call it once a second: it takes, and resets, the maximum of requests in progress.
    """
    everyone = requests.values()
    found: dict[str, float] = {
        "network.connections": connections,
        "network.in_flight": sum(stats.take_most_in_flight() for stats in everyone),
        "network.requests": sum(stats.answered_count for stats in everyone),
        "network.shed": sum(stats.shed.total() for stats in everyone),
    }
    gets = [0] * len(bucket_names("network.get"))
    for protocol, operations in READS.items():
        stats = requests[protocol]
        found[f"{protocol}.requests"] = stats.answered_count
        latencies = stats.latencies()
        for operation in operations:
            latency = latencies.get(operation)
            names = bucket_names(f"{protocol}.{operation}")
            counts = [0] * len(names) if latency is None else latency.buckets
            found.update(zip(names, counts, strict=True))
            if operation == "get":
                gets = [*map(add, gets, counts)]
    return found | dict(zip(bucket_names("network.get"), gets, strict=True))


REQUESTS = Reader(lambda sources: request_readings(sources.requests, sources.connections()))
