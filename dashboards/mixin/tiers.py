"""One pod: where its hits come from, what moves between its tiers, how full they are, how old."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.mixin.frame import dashboard
from dashboards.mixin.panels import (
    BELOW,
    GREY,
    TIER_COLOURS,
    Query,
    areas,
    dashed,
    figure,
    lines,
    of_tiers,
    states,
)
from dashboards.mixin.queries import (
    fill,
    hit_ratio,
    hits,
    l3_state,
    lookups,
    memory_used,
    rate,
    series,
    stay,
    total,
)
from dashboards.mixin.shared import (
    HIGH_IS_BAD,
    L3_STATES,
    LOW_IS_BAD,
    l3_restarts,
    where_look_ups_are_answered,
)


def tiers() -> builders.Dashboard:
    """All that there is to see of one pod's tiers."""
    return dashboard(
        "cache-sidecar-tiers",
        "cache-sidecar / Tiers",
        "One pod: where its hits come from, what moves between the tiers, and how full they are.",
        {
            "At a glance": _at_a_glance(),
            "Where hits come from": where_look_ups_are_answered() + _hits(),
            "What moves": _moves(),
            "What is in the tiers": _contents(),
            "L3 and the processes": _l3(),
        },
        one_pod=True,
    )


def _at_a_glance() -> list[Builder[Panel]]:
    return [
        figure(
            "Hit ratio",
            "Look-ups that any tier answered over all look-ups.",
            "percentunit",
            Query(hit_ratio(), "Hit ratio"),
            LOW_IS_BAD,
            width=6,
        ),
        *(
            figure(
                f"Answered by {tier}",
                f"The share of all look-ups that {tier} answered.",
                "percentunit",
                Query(f"""{hits(f'tier="{tier}"')} / {lookups()}""", tier),
                {BELOW: colour},
                width=4,
            )
            for tier, colour in TIER_COLOURS.items()
        ),
        figure(
            "Memory",
            "Working set over memory limit. At 100% the container is killed.",
            "percentunit",
            Query(f"max({memory_used()})", "Memory"),
            HIGH_IS_BAD,
            width=6,
        ),
    ]


def _hits() -> list[Builder[Panel]]:
    reached = rate("lookups_total", by=["tier"])
    own = lines(
        "Hit ratio of each tier",
        "Hits of a tier over the look-ups that reached it, since no tier above it had an answer.",
        "percentunit",
        Query(f"{hits(by=['tier'])} / {reached}", "{{tier}}"),
        width=8,
        most=1,
    )
    expired = lines(
        "Found expired",
        "Look-ups a second that found an entry past its life: with a longer one it were a hit.",
        "reqps",
        Query(rate("lookups_total", 'result="expired"', by=["tier"]), "{{tier}}"),
        width=8,
    )
    by = ["cache_namespace"]
    found = rate("namespace_lookups_total", 'result="hit"', by=by)
    return [
        of_tiers(own),
        of_tiers(expired),
        lines(
            "Hit ratio by namespace",
            "Hits over look-ups in the namespaces of the cache that cache.yaml names for it.",
            "percentunit",
            Query(f"{found} / {rate('namespace_lookups_total', by=by)}", "{{cache_namespace}}"),
            width=8,
            most=1,
        ),
    ]


def _moves() -> list[Builder[Panel]]:
    ways = ["from", "to"]
    evictions = lines(
        "Evictions",
        "Entries a second that a tier let go of to make room.",
        "ops",
        Query(rate("evictions_total", by=["tier"]), "{{tier}}"),
        width=6,
    )
    expirations = lines(
        "Expirations",
        "Entries a second that were removed because their life was over.",
        "ops",
        Query(rate("expirations_total", by=["tier"]), "{{tier}}"),
        width=6,
    )
    return [
        lines(
            "Promotions",
            "Entries a second that moved to a faster tier because they were used.",
            "ops",
            Query(rate("promotions_total", by=ways), "{{from}} to {{to}}"),
            width=6,
        ),
        lines(
            "Demotions",
            "Entries a second that moved to a slower tier because room was needed.",
            "ops",
            Query(rate("demotions_total", by=ways), "{{from}} to {{to}}"),
            width=6,
        ),
        of_tiers(evictions),
        of_tiers(expirations),
    ]


def _contents() -> list[Builder[Panel]]:
    age = lines(
        "Age that entries reach",
        "How long an entry stays in a tier: the entries that are there over those that leave it in "
        "a second (Little's law). Deletes are not counted; with many of them it is less.",
        "s",
        *(Query(stay(tier), tier) for tier in TIER_COLOURS),
        width=8,
    )
    size = lines(
        "Size of an entry",
        "Bytes that an entry takes on average, with what it costs to keep it.",
        "bytes",
        Query(
            f"{total('used_bytes', by=['tier'])} / ({total('entries', by=['tier'])} > 0)",
            "{{tier}}",
        ),
        width=8,
    )
    return [
        *(of_tiers(_fill(of)) for of in ("entries", "bytes")),
        of_tiers(age),
        _held("Entries", "entries", "none"),
        _held("Bytes", "used_bytes", "bytes"),
        of_tiers(size),
    ]


def _fill(of: str) -> timeseries.Panel:
    return lines(
        f"Fill in {of}",
        f"What a tier holds over what it may hold, in {of}. One that is full evicts.",
        "percentunit",
        Query(fill(of), "{{tier}}"),
        width=8,
        most=1,
    )


def _held(of: str, metric: str, unit: str) -> Builder[Panel]:
    panel = lines(
        f"{of} by tier",
        f"{of} in each tier; dashed what it may hold, as the optimizer has it now.",
        unit,
        Query(total(metric, by=["tier"]), "{{tier}}"),
        Query(total(f"capacity_{of.lower()}", by=["tier"]), "limit of {{tier}}"),
        width=8,
    )
    return dashed(of_tiers(panel), "/^limit of/", GREY)


def _l3() -> list[Builder[Panel]]:
    return [
        states(
            "State of L3",
            "Whether L3 answers. While it is down, the cache goes on in memory alone.",
            L3_STATES,
            Query(l3_state(), "L3"),
            width=8,
        ),
        lines(
            "L3 time-outs",
            "Reads a second that L3 did not answer in time; each is a miss.",
            "reqps",
            Query(rate("l3_timeouts_total"), "time-outs"),
            width=8,
        ),
        l3_restarts(),
        lines(
            "Pending compaction",
            "Bytes that RocksDB has yet to rewrite; where it only grows, the volume is too slow.",
            "bytes",
            Query(series("l3_pending_compaction_bytes"), "pending"),
            width=8,
        ),
        lines(
            "Free on L3's volume",
            "Bytes free on the volume that L3 is on.",
            "bytes",
            Query(series("l3_disk_free_bytes"), "free"),
            width=8,
        ),
        areas(
            "Memory of the processes",
            "Memory that the sidecar's own process (main) and that of L3 have in RAM.",
            "bytes",
            Query(total("process_resident_memory_bytes", by=["process"]), "{{process}}"),
            width=8,
        ),
    ]
