"""The fleet: hit ratio, latency, resource use and problems."""

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
    lookups_by_tier,
)


def overview() -> builders.Dashboard:
    """The dashboard that an operator opens first."""
    return dashboard(
        "cache-sidecar-overview",
        "cache-sidecar / Overview",
        "Performance and health of the cache in all selected pods.",
        {
            "At a glance": _at_a_glance(),
            "Hits": lookups_by_tier() + _hits(),
            "Requests": requests(),
            "Load": load(),
            "Memory": memory(),
            "L3, configuration and restarts": _state(),
        },
    )


def _at_a_glance() -> list[Builder[Panel]]:
    rejected = or_zero(f"count({series('config_last_reload_successful')} == 0)")
    return [
        figure(
            "Hit ratio",
            "Lookups answered by any tier, over all lookups.",
            "percentunit",
            Query(hit_ratio(), "Hit ratio"),
            LOW_IS_BAD,
        ),
        figure(
            "Lookups",
            "Lookups per second in all selected pods.",
            "reqps",
            Query(lookups(), "Lookups"),
        ),
        figure(
            "GET p99",
            "99th percentile of the latency of GET requests, over both protocols.",
            "s",
            Query(quantile(0.99, "get"), "p99"),
            {0.01: ORANGE, 0.1: RED},
        ),
        figure(
            "Highest memory use",
            "Highest working set over memory limit of any pod. At 100% the container is killed.",
            "percentunit",
            Query(f"max({memory_used()})", "Highest"),
            HIGH_IS_BAD,
        ),
        figure(
            "Pods",
            "Number of sidecars that Prometheus scrapes.",
            "none",
            Query(f"count({series('build_info')})", "Pods"),
        ),
        figure(
            "L3 down",
            "Number of pods whose L3 is enabled and down.",
            "none",
            Query(or_zero(f"count({l3_state()} == 0)"), "L3 down"),
            ANY_IS_BAD,
        ),
        figure(
            "Configuration rejected",
            "Number of pods that rejected the latest document.",
            "none",
            Query(rejected, "Rejected"),
            ANY_IS_BAD,
        ),
        figure(
            "Alerts",
            "Number of cache-sidecar alerts that are firing in the selected namespaces.",
            "none",
            Query(firing_alerts(), "Firing"),
            ANY_IS_BAD,
        ),
    ]


def _hits() -> list[Builder[Panel]]:
    target = aggregated("max", WORKLOAD, series("target", 'signal="cache.hit_ratio"'))
    by_workload = lines(
        "Hit ratio by workload",
        "Lookups answered by any tier, over all lookups. The dashed line is the target.",
        "percentunit",
        Query(hit_ratio(WORKLOAD), NAME),
        Query(target, f"target of {NAME}"),
        most=1,
    )
    by_pod = f"({hit_ratio(POD)}) >= 0"  # removes pods without lookups, whose ratio is NaN
    return [
        dashed(by_workload, "/^target of/", GREY),
        ranking(
            "Bottom pods",
            "The five pods with the lowest hit ratio, without pods that have no lookups.",
            "percentunit",
            Query(f"bottomk(5, {by_pod})", POD_NAME),
            LOW_IS_BAD,
        ),
        ranking(
            "Top pods",
            "The five pods with the highest hit ratio, without pods that have no lookups.",
            "percentunit",
            Query(f"topk(5, {by_pod})", POD_NAME),
            LOW_IS_BAD,
        ),
    ]


def _state() -> list[Builder[Panel]]:
    columns = {
        **{label: label for label in (*POD, "revision", "source")},
        "Value #A": "in force since",
        "Value #B": "latest accepted",
    }
    accepted = aggregated("min", POD, series("config_last_reload_successful"))
    configuration = rows(
        "Configuration by pod",
        "The document in force in each pod, since when, and whether the latest one was accepted.",
        "none",
        columns,
        revisions(),
        accepted,
    )
    unit_of(configuration, "in force since", "dateTimeFromNow")
    return [
        states(
            "State of L3",
            "Whether L3 answers. While it is down, the cache continues in memory.",
            L3_STATES,
            Query(l3_state(), POD_NAME),
        ),
        unit_of(configuration, "latest accepted", "bool_yes_no"),
        lines(
            "Free on L3's volume",
            f"Bytes free on L3's volume. The {MANY} pods with the fewest.",
            "bytes",
            Query(f"bottomk({MANY}, {series('l3_disk_free_bytes')})", POD_NAME),
            width=8,
        ),
        l3_restarts(),
        bars(
            "Container restarts",
            "Restarts of the sidecar's container, as reported by kube-state-metrics.",
            "none",
            Query(container_restarts(), POD_NAME),
            width=8,
        ),
    ]
