"""One pod: hits by tier, moves between tiers, fill, and residence time of entries."""

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
    lookups_by_tier,
)


def tiers() -> builders.Dashboard:
    """The tiers of one pod."""
    return dashboard(
        "cache-sidecar-tiers",
        "cache-sidecar / Tiers",
        "One pod: hits by tier, moves between tiers, and how full the tiers are.",
        {
            "At a glance": _at_a_glance(),
            "Hits": lookups_by_tier() + _hits(),
            "Moves between tiers": _moves(),
            "Contents": _contents(),
            "L3 and the processes": _l3(),
        },
        one_pod=True,
    )


def _at_a_glance() -> list[Builder[Panel]]:
    return [
        figure(
            "Hit ratio",
            "Lookups answered by any tier, over all lookups.",
            "percentunit",
            Query(hit_ratio(), "Hit ratio"),
            LOW_IS_BAD,
            width=6,
        ),
        *(
            figure(
                f"Answered by {tier}",
                f"Share of all lookups that {tier} answered.",
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
        "Hits of a tier over the lookups that reached it because no faster tier had the entry.",
        "percentunit",
        Query(f"{hits(by=['tier'])} / {reached}", "{{tier}}"),
        width=8,
        most=1,
    )
    expired = lines(
        "Lookups of expired entries",
        "Lookups per second that found an expired entry. With a longer TTL they would be hits.",
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
            "Hits over lookups in the namespaces that cache.yaml lists.",
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
        "Entries per second that a tier removed to make room.",
        "ops",
        Query(rate("evictions_total", by=["tier"]), "{{tier}}"),
        width=6,
    )
    expirations = lines(
        "Expirations",
        "Entries per second that were removed because they had expired.",
        "ops",
        Query(rate("expirations_total", by=["tier"]), "{{tier}}"),
        width=6,
    )
    return [
        lines(
            "Promotions",
            "Entries per second that moved to a faster tier because they were read.",
            "ops",
            Query(rate("promotions_total", by=ways), "{{from}} to {{to}}"),
            width=6,
        ),
        lines(
            "Demotions",
            "Entries per second that moved to a slower tier to make room.",
            "ops",
            Query(rate("demotions_total", by=ways), "{{from}} to {{to}}"),
            width=6,
        ),
        of_tiers(evictions),
        of_tiers(expirations),
    ]


def _contents() -> list[Builder[Panel]]:
    age = lines(
        "Residence time of entries",
        "How long an entry stays in a tier: its entries over the entries that leave it per second "
        "(Little's law). Deletes are not counted; with many deletes the actual time is shorter.",
        "s",
        *(Query(stay(tier), tier) for tier in TIER_COLOURS),
        width=8,
    )
    size = lines(
        "Size of an entry",
        "Average bytes per entry, overhead included.",
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
        f"A tier's {of} over its limit. A full tier evicts.",
        "percentunit",
        Query(fill(of), "{{tier}}"),
        width=8,
        most=1,
    )


def _held(of: str, metric: str, unit: str) -> Builder[Panel]:
    panel = lines(
        f"{of} by tier",
        f"{of} in each tier. The dashed line is the limit in force, as set by the optimizer.",
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
            "Whether L3 answers. While it is down, the cache continues in memory.",
            L3_STATES,
            Query(l3_state(), "L3"),
            width=8,
        ),
        lines(
            "L3 timeouts",
            "Reads per second that L3 did not answer in time. Each one is a miss.",
            "reqps",
            Query(rate("l3_timeouts_total"), "timeouts"),
            width=8,
        ),
        l3_restarts(),
        lines(
            "Pending compaction",
            "Bytes that RocksDB has yet to compact. If it only grows, the volume is too slow.",
            "bytes",
            Query(series("l3_pending_compaction_bytes"), "pending"),
            width=8,
        ),
        lines(
            "Free on L3's volume",
            "Bytes free on L3's volume.",
            "bytes",
            Query(series("l3_disk_free_bytes"), "free"),
            width=8,
        ),
        areas(
            "Memory of the processes",
            "Resident memory of the sidecar's main process and of L3's process.",
            "bytes",
            Query(total("process_resident_memory_bytes", by=["process"]), "{{process}}"),
            width=8,
        ),
    ]
