"""PromQL over the sidecar's metrics, for the pods that a dashboard's variables select.

A pod's series have the labels that its PodMonitor adds: `job`, `namespace`, `workload`, `pod`.
"""

from __future__ import annotations

from collections.abc import Sequence

PREFIX = "cache_sidecar_"
SELECTED = ('namespace=~"$namespace"', 'workload=~"$workload"', 'pod=~"$pod"')
POD = ("namespace", "workload", "pod")
WORKLOAD = ("namespace", "workload")
APPLICATIONS = 'protocol!="ops"'
"""The protocols that applications speak, `http` and `resp`."""


def series(name: str, *matchers: str) -> str:
    """The selected pods' series of a metric, which is named without its prefix."""
    return f"{PREFIX}{name}{{{', '.join((*SELECTED, *matchers))}}}"


def aggregated(operator: str, by: Sequence[str], inner: str) -> str:
    """`sum by (...) (...)`; over all series if `by` is empty."""
    return f"{operator} by ({', '.join(by)}) ({inner})" if by else f"{operator}({inner})"


def total(name: str, *matchers: str, by: Sequence[str] = ()) -> str:
    """The sum of a gauge."""
    return aggregated("sum", by, series(name, *matchers))


def rate(name: str, *matchers: str, by: Sequence[str] = ()) -> str:
    """A counter's increase per second."""
    return aggregated("sum", by, f"rate({series(name, *matchers)}[$__rate_interval])")


def growth(name: str, *matchers: str, by: Sequence[str] = (), over: str = "$__range") -> str:
    """A counter's increase over a range, rounded to a whole number."""
    return f"round({aggregated('sum', by, f'increase({series(name, *matchers)}[{over}])')})"


def lookups(by: Sequence[str] = ()) -> str:
    """Lookups per second. Each one is counted in l1 first, even if l1 is disabled."""
    return rate("lookups_total", 'tier="l1"', by=by)


def hits(*matchers: str, by: Sequence[str] = ()) -> str:
    """Lookups per second that a tier answered."""
    return rate("lookups_total", 'result="hit"', *matchers, by=by)


def hit_ratio(by: Sequence[str] = ()) -> str:
    """Hits of all tiers over all lookups."""
    return f"{hits(by=by)} / {lookups(by)}"


def misses() -> str:
    """Lookups per second that no tier answered."""
    return f"{lookups()} - {hits()}"


def answered_by() -> str:
    """The share of all lookups that each tier answers; the rest up to 1 are misses."""
    return f"{hits(by=['tier'])} / on () group_left () {lookups()}"


def quantile(share: float, operation: str, by: Sequence[str] = ()) -> str:
    """The quantile `share` of an operation's duration, in seconds. `operation` may be several, with
    `|` between them.
    """
    buckets = rate(
        "request_duration_seconds_bucket",
        APPLICATIONS,
        f'operation=~"{operation}"',
        by=["le", *by],
    )
    return f"histogram_quantile({share}, {buckets})"


def memory_used(by: Sequence[str] = POD) -> str:
    """The working set over the limit; empty if there is no limit."""
    used = aggregated("max", by, series("memory_working_set_bytes"))
    return f"{used} / {aggregated('max', by, series('memory_limit_bytes'))}"


def fill(of: str) -> str:
    """A tier's `bytes` or `entries` over its limit, by tier."""
    held = {"bytes": "used_bytes", "entries": "entries"}[of]
    enabled = f"({total(f'capacity_{of}', by=['tier'])} > 0)"
    return f"{total(held, by=['tier'])} / {enabled}"


def fullness() -> str:
    """The higher of a tier's two fill ratios: at 1 the tier evicts."""
    in_bytes, in_entries = fill("bytes"), fill("entries")
    return f"{in_bytes} >= {in_entries} or {in_entries}"


def stay(tier: str) -> str:
    """How long an entry stays in a tier, in seconds. By Little's law this is the number of entries
    over the number that leave per second. An entry promoted from L3 also stays in L3.
    """
    one = f'tier="{tier}"'
    leaving = [rate("evictions_total", one), rate("expirations_total", one)]
    if tier == "l2":
        leaving.append(rate("promotions_total", 'from="l2"'))
    return f"{total('entries', one)} / (({' + '.join(leaving)}) > 0)"


def or_zero(expr: str) -> str:
    """Returns 0 instead of a gap if there is nothing to count."""
    return f"{expr} or vector(0)"


def firing_alerts() -> str:
    """The number of the sidecar's alerts that are firing."""
    own = 'alertname=~"CacheSidecar.*", alertstate="firing", namespace=~"$namespace"'
    return or_zero(f"count(ALERTS{{{own}}})")


def of_signals(name: str, signals: Sequence[str]) -> str:
    """`signal`, `baseline` or `target` of those signals that have a baseline or a target."""
    one = f'signal=~"{"|".join(signals)}"'
    values = aggregated("avg", ["signal"], series(name, one))
    if name != "signal":
        return values
    aimed = " or ".join(series(aim, one) for aim in ("baseline", "target"))
    return f"{values} and on (signal) ({aimed})"


def l3_state(by: Sequence[str] = POD) -> str:
    """0: down, 1: up, 2: disabled."""
    up = aggregated("max", by, series("l3_up"))
    room = aggregated("max", by, series("capacity_bytes", 'tier="l3"'))
    return f"{up} + 2 * ({room} == bool 0)"


def revisions() -> str:
    """When each pod loaded the document in force, in milliseconds, with the first characters of
    the document's revision.
    """
    applied = aggregated("max", POD, series("config_last_reload_success_timestamp_seconds"))
    short = f'label_replace({series("config_info")}, "revision", "$1", "revision", "(.{{12}}).*")'
    info = aggregated("max", (*POD, "revision", "source"), short)
    return f"1000 * {info} * on ({', '.join(POD)}) group_left () {applied}"


def container_restarts() -> str:
    """Restarts of the container by pod. A native sidecar counts as an init container."""
    names = (
        "kube_pod_init_container_status_restarts_total",
        "kube_pod_container_status_restarts_total",
    )
    selected = 'container="cache-sidecar", namespace=~"$namespace", pod=~"$pod"'
    parts = [f"increase({name}{{{selected}}}[$__rate_interval])" for name in names]
    return f"round(sum by (namespace, pod) ({' or '.join(parts)}))"


def coded(name: str, label: str, values: Sequence[str], by: Sequence[str]) -> str:
    """A label's value as its index in `values`."""
    each = (series(name, f'{label}="{value}"') for value in values)
    places = (f"{place} * {one}" for place, one in enumerate(each))
    return aggregated("max", by, " or ".join(places))
