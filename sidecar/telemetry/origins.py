"""Metrics of the origins of namespaces, over all of them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from sidecar.loading.origins import ConfiguredOrigins
from sidecar.origins.errors import KINDS
from sidecar.telemetry.families import counter, gauge

RESULTS = {
    "ok": ("fetched", "not_modified", "negative", "unshareable"),
    "failed": KINDS,
    "not_asked": ("too_many", "breaker_open"),
}
"""Outcomes of fetches by the value of the label."""


class OriginCollector(Collector):
    """Fetches by their outcomes. Those of origins that are no longer configured keep counting."""

    def __init__(self, origins: ConfiguredOrigins) -> None:
        self._origins = origins

    def collect(self) -> Iterator[Metric]:
        """Without samples where no namespace has had an origin."""
        origins = self._origins.known()
        outcomes = self._origins.closed_outcomes.copy()
        for origin in origins:
            outcomes.update(origin.outcomes)
        fetches = counter("origin_fetches", "Fetches from origins, by how they ended.", ["result"])
        broken = gauge("origins_broken", "Origins that failed so often that they are not asked.")
        if origins or outcomes:
            for result, names in RESULTS.items():
                fetches.add_metric([result], sum(outcomes[name] for name in names))
            broken.add_metric([], sum(origin.breaker_state != "closed" for origin in origins))
        yield from (fetches, broken)
