"""Alerts: what an operator wants to be told, each with what it means and where to read on.

An alert that judges a ratio has a floor of traffic: three requests at night are no trend. Where the
labels of `expr` are `namespace`, `workload` and `pod`, they are those of the pod's PodMonitor.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent
from typing import Any, Literal

RUNBOOK = "https://github.com/cache-sidecar/cache-sidecar/blob/main/dashboards/RUNBOOK.md"
"""Where the runbook is published: the one place that says so."""

CONTAINER = 'container="cache-sidecar"'
_POD = "{{ $labels.namespace }}/{{ $labels.pod }}"
_WORKLOAD = "{{ $labels.namespace }}/{{ $labels.workload }}"
_SHARE, _NUMBER = "{{ $value | humanizePercentage }}", "{{ $value | humanize }}"
_DURATION, _COUNT = "{{ $value | humanizeDuration }}", '{{ printf "%.0f" $value }}'


@dataclass(frozen=True)
class Alert:
    """`pending` is how long `expr` has to hold before anybody is told."""

    name: str
    expr: str
    pending: str
    severity: Literal["info", "warning", "critical"]
    summary: str
    description: str

    def as_rule(self) -> dict[str, Any]:
        """As Prometheus reads it. The runbook has a heading with the alert's name."""
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
        summary="A cache-sidecar can't be scraped.",
        description=f"""
            Prometheus has had no answer from the cache-sidecar of {_POD} for 5 minutes. Its
            application has no cache, unless only the ops port is out of reach.""",
    ),
    Alert(
        name="CacheSidecarRestarting",
        # A native sidecar is an init container; on clusters without them it is a usual one.
        # Rounded, since `increase` extrapolates: two restarts come to 2.06 by an unlucky phase.
        expr=f"""
            round(increase(kube_pod_init_container_status_restarts_total{{{CONTAINER}}}[1h])) > 2
            or
            round(increase(kube_pod_container_status_restarts_total{{{CONTAINER}}}[1h])) > 2""",
        pending="5m",
        severity="warning",
        summary="A cache-sidecar restarts again and again.",
        description=f"""
            The cache-sidecar of {_POD} has been restarted {_COUNT} times in the last hour.""",
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
            For an hour the cache has answered less of the look-ups of {_WORKLOAD} than its
            baselines.yaml aims at: {_SHARE} of those of the last 30 minutes.""",
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
            L3 of {_POD} has been down for 5 minutes. The cache goes on in memory; what is written
            meanwhile does not survive a restart, and L3 starts empty when it comes back.""",
    ),
    Alert(
        name="CacheSidecarConfigRejected",
        expr="cache_sidecar_config_last_reload_successful == 0",
        pending="5m",
        severity="warning",
        summary="A cache-sidecar has refused its configuration.",
        description=f"""
            The last document that {_POD} saw was refused. An older one stays in force.""",
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
            some do not hear of changes, or refuse them.""",
    ),
    Alert(
        name="CacheSidecarConfigSourceLost",
        expr="time() - cache_sidecar_config_source_last_contact_timestamp_seconds > 900",
        pending="15m",
        severity="warning",
        summary="A cache-sidecar can't read where its configuration comes from.",
        # The time of a contact that never was is 0.
        description=f"""
            {_POD} {{{{ if gt $value 1e9 }}}}has never reached the source of its
            configuration{{{{ else }}}}has last read the source of its configuration {_DURATION}
            ago{{{{ end }}}}. What is in force stays; changes do not arrive.""",
    ),
    Alert(
        name="CacheSidecarMemoryHigh",
        expr="namespace_workload_pod:cache_sidecar_memory_working_set_per_limit:ratio > 0.9",
        pending="10m",
        severity="warning",
        summary="A cache-sidecar is close to its memory limit.",
        description=f"""
            {_POD} has taken more than 90% of its memory limit for 10 minutes, {_SHARE} now. At 100%
            the kernel kills it.""",
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
        summary="A cache-sidecar turns requests away.",
        description=f"""
            {_POD} has turned away more than 1% of its requests for 10 minutes: {_NUMBER} requests
            or connections a second.""",
    ),
    Alert(
        name="CacheSidecarEventLoopStalled",
        expr="cache_sidecar_event_loop_lag_seconds > 0.5",
        pending="10m",
        severity="warning",
        summary="The event loop of a cache-sidecar stalls.",
        description=f"""
            In every one of the last 10 minutes {_POD} answered nobody for a while; in the last one
            for {_DURATION}.""",
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
        summary="A rule of the optimizer tries again and again what does not help.",
        description=f"""
            In a day {_COUNT} changes of the rule {{{{ $labels.rule }}}} were undone in the pods of
            {_WORKLOAD}: more than 8 of 10 that it made.""",
    ),
)
