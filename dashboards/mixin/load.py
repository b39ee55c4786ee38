"""Panels of the overview: requests, load and memory."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.mixin.panels import (
    GREEN,
    GREY,
    ORANGE,
    RED,
    Query,
    areas,
    coloured,
    lines,
    of_tiers,
)
from dashboards.mixin.queries import (
    APPLICATIONS,
    POD,
    WORKLOAD,
    aggregated,
    fullness,
    memory_used,
    quantile,
    rate,
    series,
    total,
)
from dashboards.mixin.shared import MANY, NAME, POD_NAME

BY_PROTOCOL = f"{NAME} {{{{protocol}}}}"
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
RESULT_COLOURS = {"ok": GREEN, "miss": GREY, "rejected": ORANGE, "failed": RED}


def requests() -> list[Builder[Panel]]:
    """Rates, results and latencies."""
    results = areas(
        "Requests by result",
        "Requests per second by result: ok, miss, rejected (an error of the client) or failed.",
        "reqps",
        Query(rate("requests_total", APPLICATIONS, by=["result"]), "{{result}}"),
    )
    return [
        *(
            lines(
                f"{name} latency",
                f"Quantiles of the time from a {name} request to its response, by protocol.",
                "s",
                *(
                    Query(quantile(share, operations, ["protocol"]), f"{{{{protocol}}}} {title}")
                    for title, share in SHARES.items()
                ),
                width=8,
            )
            for name, operations in (("GET", "get"), ("PUT or SET", "put|set"))
        ),
        lines(
            "GET p99 by workload",
            "99th percentile of the latency of GET requests, by protocol.",
            "s",
            Query(quantile(0.99, "get", (*WORKLOAD, "protocol")), BY_PROTOCOL),
            width=8,
        ),
        areas(
            "Requests by operation",
            "Requests per second to the data API (http), and of the Redis protocol (resp).",
            "reqps",
            Query(
                rate("requests_total", APPLICATIONS, by=["protocol", "operation"]),
                "{{protocol}} {{operation}}",
            ),
        ),
        coloured(results, RESULT_COLOURS),
    ]


def load() -> list[Builder[Panel]]:
    """Whether the load exceeds what can be served."""
    lag = aggregated("max", POD, series("event_loop_lag_seconds"))
    busy = aggregated("max", POD, series("signal", 'signal="cpu.utilization"'))
    return [
        areas(
            "Shed requests",
            "Requests and connections per second that were refused because of overload.",
            "reqps",
            Query(
                rate("shed_requests_total", APPLICATIONS, by=["protocol", "reason"]),
                "{{protocol}} {{reason}}",
            ),
            width=6,
        ),
        lines(
            "Event loop lag",
            "Longest delay of the event loop within a minute; no request is answered meanwhile. "
            f"Top {MANY} pods.",
            "s",
            Query(f"topk({MANY}, {lag})", POD_NAME),
            width=6,
        ),
        lines(
            "CPU",
            "CPU time of both processes over the container's CPU limit, or over the node's CPUs if "
            f"there is no limit. Top {MANY} pods.",
            "percentunit",
            Query(f"topk({MANY}, {busy})", POD_NAME),
            width=6,
        ),
        lines(
            "Connections",
            "Open connections from applications, by protocol.",
            "none",
            Query(total("connections", APPLICATIONS, by=(*WORKLOAD, "protocol")), BY_PROTOCOL),
            width=6,
        ),
    ]


def memory() -> list[Builder[Panel]]:
    """Memory against the limit, and the tiers' share of it."""
    held = areas(
        "Bytes used",
        "Bytes used by the entries of each tier, in all selected pods.",
        "bytes",
        Query(total("used_bytes", by=["tier"]), "{{tier}}"),
        width=8,
    )
    full = lines(
        "Fill",
        "Entries or bytes over their limit, whichever is higher, for each tier in all selected "
        "pods. At 100% a tier evicts.",
        "percentunit",
        Query(fullness(), "{{tier}}"),
        width=8,
        most=1,
    )
    return [
        lines(
            "Memory against the limit",
            "Working set over memory limit. At 100% the kernel kills the container. "
            f"Top {MANY} pods.",
            "percentunit",
            Query(f"topk({MANY}, {memory_used()})", POD_NAME),
            width=8,
            most=1,
        ),
        of_tiers(held),
        of_tiers(full),
    ]
