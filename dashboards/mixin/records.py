"""Recording rules: inputs of alerts, and series worth a longer retention than their sources.

Names are `level:metric:operations`: the remaining labels, the metric, the operations applied.
"""

from __future__ import annotations

from typing import Any

from dashboards.mixin.queries import APPLICATIONS

LOOKUPS = 'cache_sidecar_lookups_total{tier="l1"}'
"""Every lookup reaches l1 first."""
HITS = 'cache_sidecar_lookups_total{result="hit"}'

Record = dict[str, Any]


def records() -> dict[str, Any]:
    """The file of recording rules."""
    return {
        "groups": [
            {"name": "cache-sidecar.pods", "rules": _pods()},
            {"name": "cache-sidecar.workloads", "rules": _workloads()},
            {"name": "cache-sidecar.rules", "rules": _rules()},
        ]
    }


def _pods() -> list[Record]:
    by, level = "namespace, workload, pod", "namespace_workload_pod"
    lookups = f"{level}:cache_sidecar_lookups:rate5m"
    return [
        _record(lookups, _rate(by, LOOKUPS, "5m")),
        _record(
            f"{level}:cache_sidecar_hits_per_lookup:ratio_rate5m",
            f"{_rate(by, HITS, '5m')}\n/ {lookups}",
        ),
        _record(
            f"{level}:cache_sidecar_requests:rate5m",
            _rate(by, f"cache_sidecar_requests_total{{{APPLICATIONS}}}", "5m"),
        ),
        _record(
            f"{level}:cache_sidecar_shed_requests:rate5m",
            _rate(by, f"cache_sidecar_shed_requests_total{{{APPLICATIONS}}}", "5m"),
        ),
        _record(
            f"{level}:cache_sidecar_memory_working_set_per_limit:ratio",
            f"max by ({by}) (cache_sidecar_memory_working_set_bytes)\n"
            f"/ max by ({by}) (cache_sidecar_memory_limit_bytes)",
        ),
    ]


def _workloads() -> list[Record]:
    by, level = "namespace, workload", "namespace_workload"
    lookups = f"{level}:cache_sidecar_lookups:rate30m"
    durations = f"cache_sidecar_request_duration_seconds_bucket{{{APPLICATIONS}}}"
    p99 = f"{level}_protocol_operation:cache_sidecar_request_duration_seconds:histogram_quantile"
    return [
        _record(lookups, _rate(by, LOOKUPS, "30m")),
        _record(
            f"{level}:cache_sidecar_hits_per_lookup:ratio_rate30m",
            f"{_rate(by, HITS, '30m')}\n/ {lookups}",
        ),
        _record(
            f"{level}_tier:cache_sidecar_hits_per_lookup:ratio_rate30m",
            f"{_rate(f'{by}, tier', HITS, '30m')}\n/ on ({by}) group_left () {lookups}",
        ),
        _record(
            f"{level}:cache_sidecar_hit_ratio_target:max",
            f'max by ({by}) (cache_sidecar_target{{signal="cache.hit_ratio"}})',
        ),
        _record(
            p99,
            f"histogram_quantile(0.99, {_rate(f'{by}, protocol, operation, le', durations, '5m')})",
            quantile="0.99",
        ),
    ]


def _rules() -> list[Record]:
    """Outcomes of a rule's changes within a day. Interrupted trials say nothing about the rule."""
    by, level = "namespace, workload, rule", "namespace_workload_rule"
    outcomes = "cache_sidecar_optimizer_outcomes_total"
    undone = f'{outcomes}{{outcome=~"regressed|neutral|failed"}}'
    all_of_them = f'{outcomes}{{outcome!~"interrupted|dry_run"}}'
    return [
        _record(
            f"{level}:cache_sidecar_optimizer_undone:increase1d",
            f"sum by ({by}) (increase({undone}[1d]))",
        ),
        _record(
            f"{level}:cache_sidecar_optimizer_outcomes:increase1d",
            f"sum by ({by}) (increase({all_of_them}[1d]))",
        ),
    ]


def _record(name: str, expr: str, **labels: str) -> Record:
    return {"record": name, "expr": expr} | ({"labels": labels} if labels else {})


def _rate(by: str, counter: str, window: str) -> str:
    return f"sum by ({by}) (rate({counter}[{window}]))"
