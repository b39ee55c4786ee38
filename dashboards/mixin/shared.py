"""Names, threshold colours and panels that several dashboards share."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.mixin.panels import (
    BELOW,
    GREEN,
    GREY,
    ORANGE,
    RED,
    Query,
    areas,
    bars,
    coloured,
    of_tiers,
)
from dashboards.mixin.queries import (
    answered_by,
    growth,
    hits,
    misses,
)

NAME, POD_NAME = "{{namespace}}/{{workload}}", "{{namespace}}/{{pod}}"
MANY = 10
"""The number of pods in panels that show only the highest values of a fleet."""
LOW_IS_BAD = {BELOW: RED, 0.25: ORANGE, 0.5: GREEN}
HIGH_IS_BAD = {0.85: ORANGE, 0.95: RED}
ANY_IS_BAD = {1.0: RED}
L3_STATES = [("down", RED), ("up", GREEN), ("disabled", GREY)]


def lookups_by_tier() -> list[Builder[Panel]]:
    """Which tier answers, as shares and as rates."""
    shares = areas(
        "Lookups by tier, share",
        "Share of all lookups that each tier answered. The rest up to 100% are misses.",
        "percentunit",
        Query(answered_by(), "{{tier}}"),
        most=1,
    )
    rates = areas(
        "Lookups by tier, rate",
        "Lookups per second that each tier answered, and misses.",
        "reqps",
        Query(hits(by=["tier"]), "{{tier}}"),
        Query(misses(), "miss"),
    )
    return [of_tiers(shares), coloured(of_tiers(rates), {"miss": GREY})]


def l3_restarts() -> Builder[Panel]:
    """When and why L3's process exited."""
    return bars(
        "L3 restarts",
        "Number of times that L3's process exited, by reason.",
        "none",
        Query(growth("l3_restarts_total", by=["reason"], over="$__rate_interval"), "{{reason}}"),
        width=8,
    )
