"""PromQL over the sidecar's metrics, for the pods that a dashboard's variables select.

A pod's series have the labels that its PodMonitor gives: `job`, `namespace`, `workload`, `pod`.
"""

from __future__ import annotations

from collections.abc import Sequence

PREFIX = "cache_sidecar_"
SELECTED = ('namespace=~"$namespace"', 'workload=~"$workload"', 'pod=~"$pod"')
POD = ("namespace", "workload", "pod")
WORKLOAD = ("namespace", "workload")


def series(name: str, *matchers: str) -> str:
    """The series of a metric, named without its prefix, of the selected pods."""
    return f"{PREFIX}{name}{{{', '.join((*SELECTED, *matchers))}}}"


def aggregated(operator: str, by: Sequence[str], inner: str) -> str:
    """`sum by (...) (...)`; over everything where `by` is empty."""
    return f"{operator} by ({', '.join(by)}) ({inner})" if by else f"{operator}({inner})"


def total(name: str, *matchers: str, by: Sequence[str] = ()) -> str:
    """The sum of a gauge."""
    return aggregated("sum", by, series(name, *matchers))


def rate(name: str, *matchers: str, by: Sequence[str] = ()) -> str:
    """A counter's growth in a second."""
    return aggregated("sum", by, f"rate({series(name, *matchers)}[$__rate_interval])")


def growth(name: str, *matchers: str, by: Sequence[str] = (), over: str = "$__range") -> str:
    """A counter's growth over a time, to the nearest whole number."""
    return f"round({aggregated('sum', by, f'increase({series(name, *matchers)}[{over}])')})"


def lookups(by: Sequence[str] = ()) -> str:
    """Look-ups a second: each one reaches l1 first, whether or not it is switched on."""
    return rate("lookups_total", 'tier="l1"', by=by)


def hits(*matchers: str, by: Sequence[str] = ()) -> str:
    """Look-ups a second that a tier answered."""
    return rate("lookups_total", 'result="hit"', *matchers, by=by)


def hit_ratio(by: Sequence[str] = ()) -> str:
    """Hits of all tiers over all look-ups."""
    return f"{hits(by=by)} / {lookups(by)}"


def misses() -> str:
    """Look-ups a second that no tier answered."""
    return f"{lookups()} - {hits()}"


def answered_by() -> str:
    """The share of all look-ups that each tier answers, by tier; what is left to 1 are misses."""
    return f"{hits(by=['tier'])} / on () group_left () {lookups()}"


def quantile(share: float, operation: str, by: Sequence[str] = ()) -> str:
    """What that share of an operation's requests was answered within, in seconds."""
    buckets = rate(
        "request_duration_seconds_bucket",
        'protocol="http"',
        f'operation="{operation}"',
        by=["le", *by],
    )
    return f"histogram_quantile({share}, {buckets})"


def memory_used(by: Sequence[str] = POD) -> str:
    """The working set over the limit; nothing where there is no limit."""
    used = aggregated("max", by, series("memory_working_set_bytes"))
    return f"{used} / {aggregated('max', by, series('memory_limit_bytes'))}"


def fill(of: str) -> str:
    """What a tier holds over what it may hold, by tier: of `bytes` or `entries`."""
    held = {"bytes": "used_bytes", "entries": "entries"}[of]
    enabled = f"({total(f'capacity_{of}', by=['tier'])} > 0)"
    return f"{total(held, by=['tier'])} / {enabled}"


def fullness() -> str:
    """How near each tier is to either limit, whichever is nearer: at 1 it evicts."""
    in_bytes, in_entries = fill("bytes"), fill("entries")
    return f"{in_bytes} >= {in_entries} or {in_entries}"


def stay(tier: str) -> str:
    """How long an entry stays in a tier, in seconds: by Little's law, those that are there over
    those that leave in a second. What moves up from L3 stays there as well.
    """
    one = f'tier="{tier}"'
    leaving = [rate("evictions_total", one), rate("expirations_total", one)]
    if tier == "l2":
        leaving.append(rate("promotions_total", 'from="l2"'))
    return f"{total('entries', one)} / (({' + '.join(leaving)}) > 0)"


def or_zero(expr: str) -> str:
    """Nothing to count is 0, and no gap."""
    return f"{expr} or vector(0)"


def firing_alerts() -> str:
    """How many of the sidecar's own alerts fire."""
    own = 'alertname=~"CacheSidecar.*", alertstate="firing", namespace=~"$namespace"'
    return or_zero(f"count(ALERTS{{{own}}})")


def of_signals(name: str, signals: Sequence[str]) -> str:
    """`signal`, `baseline` or `target` of those of these signals that have either of the latter."""
    one = f'signal=~"{"|".join(signals)}"'
    values = aggregated("avg", ["signal"], series(name, one))
    if name != "signal":
        return values
    aimed = " or ".join(series(aim, one) for aim in ("baseline", "target"))
    return f"{values} and on (signal) ({aimed})"


def l3_state(by: Sequence[str] = POD) -> str:
    """0: down, 1: up, 2: switched off."""
    up = aggregated("max", by, series("l3_up"))
    room = aggregated("max", by, series("capacity_bytes", 'tier="l3"'))
    return f"{up} + 2 * ({room} == bool 0)"


def revisions() -> str:
    """When each pod put its document in force, in milliseconds, with the first characters of the
    document's revision.
    """
    applied = aggregated("max", POD, series("config_last_reload_success_timestamp_seconds"))
    short = f'label_replace({series("config_info")}, "revision", "$1", "revision", "(.{{12}}).*")'
    info = aggregated("max", (*POD, "revision", "source"), short)
    return f"1000 * {info} * on ({', '.join(POD)}) group_left () {applied}"


def container_restarts() -> str:
    """Restarts of the container by pod: those of a native sidecar are an init container's."""
    names = (
        "kube_pod_init_container_status_restarts_total",
        "kube_pod_container_status_restarts_total",
    )
    selected = 'container="cache-sidecar", namespace=~"$namespace", pod=~"$pod"'
    parts = [f"increase({name}{{{selected}}}[$__rate_interval])" for name in names]
    return f"round(sum by (namespace, pod) ({' or '.join(parts)}))"


def coded(name: str, label: str, values: Sequence[str], by: Sequence[str]) -> str:
    """Which of its values a label has, as the value's place among them."""
    each = (series(name, f'{label}="{value}"') for value in values)
    places = (f"{place} * {one}" for place, one in enumerate(each))
    return aggregated("max", by, " or ".join(places))
