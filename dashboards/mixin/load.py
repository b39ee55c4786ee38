"""Panels of the overview: requests, what is too much, and memory."""

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

HTTP = 'protocol="http"'
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
RESULT_COLOURS = {"ok": GREEN, "miss": GREY, "rejected": ORANGE, "failed": RED}


def requests() -> list[Builder[Panel]]:
    """How many there are, what becomes of them and how long it takes."""
    results = areas(
        "Requests by result",
        "Requests a second, as ok, miss (404), rejected (another 4xx) or failed (5xx).",
        "reqps",
        Query(rate("requests_total", HTTP, by=["result"]), "{{result}}"),
    )
    return [
        *(
            lines(
                f"{operation.upper()} latency",
                f"The time within which a share of the {operation.upper()}s was answered.",
                "s",
                *(Query(quantile(share, operation), name) for name, share in SHARES.items()),
                width=8,
            )
            for operation in ("get", "put")
        ),
        lines(
            "GET p99 by workload",
            "99 of 100 GETs were answered within this time.",
            "s",
            Query(quantile(0.99, "get", WORKLOAD), NAME),
            width=8,
        ),
        areas(
            "Requests by operation",
            "Requests a second to the data API.",
            "reqps",
            Query(rate("requests_total", HTTP, by=["operation"]), "{{operation}}"),
        ),
        coloured(results, RESULT_COLOURS),
    ]


def load() -> list[Builder[Panel]]:
    """Whether there are more than can be served."""
    lag = aggregated("max", POD, series("event_loop_lag_seconds"))
    busy = aggregated("max", POD, series("signal", 'signal="cpu.utilization"'))
    return [
        areas(
            "Turned away",
            "Requests and connections a second that were refused, since too much was under way.",
            "reqps",
            Query(rate("shed_requests_total", HTTP, by=["reason"]), "{{reason}}"),
            width=6,
        ),
        lines(
            "Event loop stalls",
            "By how much the event loop was late at worst in a minute, while nobody was answered. "
            f"The {MANY} worst pods.",
            "s",
            Query(f"topk({MANY}, {lag})", POD_NAME),
            width=6,
        ),
        lines(
            "CPU",
            "Processor time of both processes over what the container may use, or over the node. "
            f"The {MANY} busiest pods.",
            "percentunit",
            Query(f"topk({MANY}, {busy})", POD_NAME),
            width=6,
        ),
        lines(
            "Connections",
            "Connections that applications have open.",
            "none",
            Query(total("connections", HTTP, by=WORKLOAD), NAME),
            width=6,
        ),
    ]


def memory() -> list[Builder[Panel]]:
    """How near the limit is, and what the tiers take of it."""
    held = areas(
        "Bytes held",
        "Bytes that the entries of each tier take, in all selected pods.",
        "bytes",
        Query(total("used_bytes", by=["tier"]), "{{tier}}"),
        width=8,
    )
    full = lines(
        "Fill",
        "What tiers hold over what they may hold, in all selected pods: of entries or of bytes, "
        "whichever is nearer to its limit. At 100% a tier evicts.",
        "percentunit",
        Query(fullness(), "{{tier}}"),
        width=8,
        most=1,
    )
    return [
        lines(
            "Memory against the limit",
            "Working set over memory limit: at 100% the kernel kills the container. "
            f"The {MANY} fullest pods.",
            "percentunit",
            Query(f"topk({MANY}, {memory_used()})", POD_NAME),
            width=8,
            most=1,
        ),
        of_tiers(held),
        of_tiers(full),
    ]
