"""Names, colours of judgement and panels that more than one dashboard has."""

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
"""Of how many pods a panel shows the highest, where a fleet has more."""
LOW_IS_BAD = {BELOW: RED, 0.25: ORANGE, 0.5: GREEN}
HIGH_IS_BAD = {0.85: ORANGE, 0.95: RED}
ANY_IS_BAD = {1.0: RED}
L3_STATES = [("down", RED), ("up", GREEN), ("switched off", GREY)]
HTTP = 'protocol="http"'


def where_look_ups_are_answered() -> list[Builder[Panel]]:
    """The two panels that say most about a cache."""
    shares = areas(
        "Where look-ups are answered",
        "The share of all look-ups that each tier answered. What is left to 100% are misses.",
        "percentunit",
        Query(answered_by(), "{{tier}}"),
        most=1,
    )
    rates = areas(
        "Look-ups by answer",
        "Look-ups a second that each tier answered, and misses.",
        "reqps",
        Query(hits(by=["tier"]), "{{tier}}"),
        Query(misses(), "miss"),
    )
    return [of_tiers(shares), coloured(of_tiers(rates), {"miss": GREY})]


def l3_restarts() -> Builder[Panel]:
    """When and why L3's process ended."""
    return bars(
        "L3 restarts",
        "Times that L3's process ended, by reason.",
        "none",
        Query(growth("l3_restarts_total", by=["reason"], over="$__rate_interval"), "{{reason}}"),
        width=8,
    )
