"""The fleet: how well the cache does, how fast it answers, what it costs, and what is wrong."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.mixin.frame import dashboard
from dashboards.mixin.load import load, memory, requests
from dashboards.mixin.panels import (
    GREY,
    ORANGE,
    RED,
    Query,
    bars,
    dashed,
    figure,
    lines,
    ranking,
    rows,
    states,
    unit_of,
)
from dashboards.mixin.queries import (
    POD,
    WORKLOAD,
    aggregated,
    container_restarts,
    firing_alerts,
    hit_ratio,
    l3_state,
    lookups,
    memory_used,
    or_zero,
    quantile,
    revisions,
    series,
)
from dashboards.mixin.shared import (
    ANY_IS_BAD,
    HIGH_IS_BAD,
    L3_STATES,
    LOW_IS_BAD,
    MANY,
    NAME,
    POD_NAME,
    l3_restarts,
    where_look_ups_are_answered,
)


def overview() -> builders.Dashboard:
    """All that an operator sees first."""
    return dashboard(
        "cache-sidecar-overview",
        "cache-sidecar / Overview",
        "How well the cache of all selected pods does, and whether anything is wrong with it.",
        {
            "At a glance": _at_a_glance(),
            "Hits": where_look_ups_are_answered() + _hits(),
            "Requests": requests(),
            "Load": load(),
            "Memory": memory(),
            "L3, configuration and restarts": _state(),
        },
    )


def _at_a_glance() -> list[Builder[Panel]]:
    refused = or_zero(f"count({series('config_last_reload_successful')} == 0)")
    return [
        figure(
            "Hit ratio",
            "Look-ups that any tier answered over all look-ups.",
            "percentunit",
            Query(hit_ratio(), "Hit ratio"),
            LOW_IS_BAD,
        ),
        figure(
            "Look-ups",
            "Look-ups a second, of all selected pods.",
            "reqps",
            Query(lookups(), "Look-ups"),
        ),
        figure(
            "GET p99",
            "99 of 100 GETs were answered within this time.",
            "s",
            Query(quantile(0.99, "get"), "p99"),
            {0.01: ORANGE, 0.1: RED},
        ),
        figure(
            "Fullest memory",
            "Working set over memory limit, of the fullest pod. At 100% the container is killed.",
            "percentunit",
            Query(f"max({memory_used()})", "Fullest"),
            HIGH_IS_BAD,
        ),
        figure(
            "Pods",
            "Sidecars that Prometheus has scraped lately.",
            "none",
            Query(f"count({series('build_info')})", "Pods"),
        ),
        figure(
            "L3 down",
            "Pods whose L3 should be there and is not.",
            "none",
            Query(or_zero(f"count({l3_state()} == 0)"), "L3 down"),
            ANY_IS_BAD,
        ),
        figure(
            "Configuration refused",
            "Pods that refused the last document they saw.",
            "none",
            Query(refused, "Refused"),
            ANY_IS_BAD,
        ),
        figure(
            "Alerts",
            "Alerts of cache-sidecar that fire in the selected namespaces.",
            "none",
            Query(firing_alerts(), "Firing"),
            ANY_IS_BAD,
        ),
    ]


def _hits() -> list[Builder[Panel]]:
    target = aggregated("max", WORKLOAD, series("target", 'signal="cache.hit_ratio"'))
    by_workload = lines(
        "Hit ratio by workload",
        "Look-ups that any tier answered over all look-ups; dashed what it should be.",
        "percentunit",
        Query(hit_ratio(WORKLOAD), NAME),
        Query(target, f"target of {NAME}"),
        most=1,
    )
    by_pod = f"({hit_ratio(POD)}) >= 0"  # without look-ups it is 0/0, which is not above 0
    return [
        dashed(by_workload, "/^target of/", GREY),
        ranking(
            "Bottom pods",
            "The five pods with the lowest hit ratio; those without look-ups are left out.",
            "percentunit",
            Query(f"bottomk(5, {by_pod})", POD_NAME),
            LOW_IS_BAD,
        ),
        ranking(
            "Top pods",
            "The five pods with the highest hit ratio; those without look-ups are left out.",
            "percentunit",
            Query(f"topk(5, {by_pod})", POD_NAME),
            LOW_IS_BAD,
        ),
    ]


def _state() -> list[Builder[Panel]]:
    columns = {
        **{label: label for label in (*POD, "revision", "source")},
        "Value #A": "in force",
        "Value #B": "last one taken",
    }
    taken = aggregated("min", POD, series("config_last_reload_successful"))
    configuration = rows(
        "Configuration by pod",
        "The document that each pod has in force, since when, and whether it took the last one.",
        "none",
        columns,
        revisions(),
        taken,
    )
    unit_of(configuration, "in force", "dateTimeFromNow")
    return [
        states(
            "State of L3",
            "Whether L3 answers. While it is down, the cache goes on in memory alone.",
            L3_STATES,
            Query(l3_state(), POD_NAME),
        ),
        unit_of(configuration, "last one taken", "bool_yes_no"),
        lines(
            "Free on L3's volume",
            f"Bytes free on the volume that L3 is on. The {MANY} fullest ones.",
            "bytes",
            Query(f"bottomk({MANY}, {series('l3_disk_free_bytes')})", POD_NAME),
            width=8,
        ),
        l3_restarts(),
        bars(
            "Container restarts",
            "Restarts of the sidecar's container, as kube-state-metrics has them.",
            "none",
            Query(container_restarts(), POD_NAME),
            width=8,
        ),
    ]
