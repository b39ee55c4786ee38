"""The alerts, each with a summary, a description and a link to the runbook.

An alert on a ratio also requires a minimum of traffic, since a few requests are no trend. The
labels `namespace`, `workload` and `pod` in `expr` are those that the pod's PodMonitor adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent
from typing import Any, Literal

RUNBOOK = "https://github.com/cache-sidecar/cache-sidecar/blob/main/dashboards/RUNBOOK.md"
"""Where the runbook is published."""

CONTAINER = 'container="cache-sidecar"'
_POD = "{{ $labels.namespace }}/{{ $labels.pod }}"
_WORKLOAD = "{{ $labels.namespace }}/{{ $labels.workload }}"
_SHARE, _NUMBER = "{{ $value | humanizePercentage }}", "{{ $value | humanize }}"
_DURATION, _COUNT = "{{ $value | humanizeDuration }}", '{{ printf "%.0f" $value }}'


@dataclass(frozen=True)
class Alert:
    """`pending` is how long `expr` has to hold before the alert fires."""

    name: str
    expr: str
    pending: str
    severity: Literal["info", "warning", "critical"]
    summary: str
    description: str

    def as_rule(self) -> dict[str, Any]:
        """The rule in Prometheus' format. Its runbook link ends in the alert's name."""
        return {
            "alert": self.name,
            "expr": dedent(self.expr).strip(),
            "for": self.pending,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": " ".join(self.description.split()),
                "runbook_url": f"{RUNBOOK}#{self.name.lower()}",
            },
        }


def alerts() -> dict[str, Any]:
    """The file of alerting rules."""
    return {"groups": [{"name": "cache-sidecar", "rules": [alert.as_rule() for alert in ALERTS]}]}


ALERTS = (
    Alert(
        name="CacheSidecarDown",
        expr=f"up{{{CONTAINER}}} == 0",
        pending="5m",
        severity="critical",
        summary="A cache-sidecar cannot be scraped.",
        description=f"""
            Prometheus has failed to scrape the cache-sidecar of {_POD} for 5 minutes. Unless only
            the ops port is unreachable, the application has no cache.""",
    ),
    Alert(
        name="CacheSidecarRestarting",
        # A native sidecar is an init container; older clusters run a regular container.
        # Rounded because `increase` extrapolates: two restarts can result in 2.06.
        expr=f"""
            round(increase(kube_pod_init_container_status_restarts_total{{{CONTAINER}}}[1h])) > 2
            or
            round(increase(kube_pod_container_status_restarts_total{{{CONTAINER}}}[1h])) > 2""",
        pending="5m",
        severity="warning",
        summary="A cache-sidecar restarts repeatedly.",
        description=f"""
            The cache-sidecar of {_POD} restarted {_COUNT} times in the last hour.""",
    ),
    Alert(
        name="CacheSidecarHitRatioLow",
        expr="""
            namespace_workload:cache_sidecar_hits_per_lookup:ratio_rate30m
            < namespace_workload:cache_sidecar_hit_ratio_target:max
            and namespace_workload:cache_sidecar_lookups:rate30m > 1""",
        pending="1h",
        severity="warning",
        summary="The hit ratio of a workload is below its target.",
        description=f"""
            For an hour the hit ratio of {_WORKLOAD} has been below the target in its
            baselines.yaml. Over the last 30 minutes it is {_SHARE}.""",
    ),
    Alert(
        name="CacheSidecarL3Down",
        expr="""
            cache_sidecar_l3_up == 0
            and on (namespace, pod) cache_sidecar_capacity_bytes{tier="l3"} > 0""",
        pending="5m",
        severity="warning",
        summary="A cache-sidecar runs without its disk tier.",
        description=f"""
            L3 of {_POD} has been down for 5 minutes. The cache continues in memory. Writes do not
            survive a restart until L3 returns, and L3 is empty then.""",
    ),
    Alert(
        name="CacheSidecarConfigRejected",
        expr="cache_sidecar_config_last_reload_successful == 0",
        pending="5m",
        severity="warning",
        summary="A cache-sidecar has rejected its configuration.",
        description=f"""
            {_POD} rejected the latest configuration document. The previous one stays in force.""",
    ),
    Alert(
        name="CacheSidecarConfigDiverged",
        expr="""
            count by (namespace, workload) (
              count by (namespace, workload, revision) (cache_sidecar_config_info)
            ) > 1""",
        pending="30m",
        severity="warning",
        summary="The pods of a workload have different configurations in force.",
        description=f"""
            For 30 minutes the pods of {_WORKLOAD} have had {_COUNT} different documents in force:
            some pods do not receive changes, or reject them.""",
    ),
    Alert(
        name="CacheSidecarConfigSourceLost",
        expr="time() - cache_sidecar_config_source_last_contact_timestamp_seconds > 900",
        pending="15m",
        severity="warning",
        summary="A cache-sidecar cannot read the source of its configuration.",
        # The timestamp is 0 until the first contact.
        description=f"""
            {_POD} {{{{ if gt $value 1e9 }}}}has never reached the source of its
            configuration{{{{ else }}}}last read the source of its configuration {_DURATION}
            ago{{{{ end }}}}. The document in force stays in force; changes are not received.""",
    ),
    Alert(
        name="CacheSidecarMemoryHigh",
        expr="namespace_workload_pod:cache_sidecar_memory_working_set_per_limit:ratio > 0.9",
        pending="10m",
        severity="warning",
        summary="A cache-sidecar is close to its memory limit.",
        description=f"""
            {_POD} has used more than 90% of its memory limit for 10 minutes, currently {_SHARE}.
            At 100% the kernel kills the container.""",
    ),
    Alert(
        name="CacheSidecarShedding",
        expr="""
            namespace_workload_pod:cache_sidecar_shed_requests:rate5m > 0.1
            and
            namespace_workload_pod:cache_sidecar_shed_requests:rate5m
            > 0.01 * namespace_workload_pod:cache_sidecar_requests:rate5m""",
        pending="10m",
        severity="warning",
        summary="A cache-sidecar sheds requests.",
        description=f"""
            {_POD} has shed more than 1% of its requests for 10 minutes: {_NUMBER} requests or
            connections per second.""",
    ),
    Alert(
        name="CacheSidecarEventLoopStalled",
        expr="cache_sidecar_event_loop_lag_seconds > 0.5",
        pending="10m",
        severity="warning",
        summary="The event loop of a cache-sidecar stalls.",
        description=f"""
            The event loop of {_POD} stalled in each of the last 10 minutes, in the latest one for
            {_DURATION}.""",
    ),
    Alert(
        name="CacheSidecarTrialsRolledBack",
        expr="""
            namespace_workload_rule:cache_sidecar_optimizer_undone:increase1d > 5
            and
            namespace_workload_rule:cache_sidecar_optimizer_undone:increase1d
            > 0.8 * namespace_workload_rule:cache_sidecar_optimizer_outcomes:increase1d""",
        pending="1h",
        severity="info",
        summary="Most changes by a rule of the optimizer are rolled back.",
        description=f"""
            Within a day {_COUNT} changes by the rule {{{{ $labels.rule }}}}, more than 80% of its
            changes, were rolled back in the pods of {_WORKLOAD}.""",
    ),
)
