"""Metric families by their short name, to which the sidecar's prefix is added."""

from __future__ import annotations

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

PREFIX = "cache_sidecar_"


def counter(name: str, text: str, labels: list[str]) -> CounterMetricFamily:
    """A counter; `_total` is added when it is rendered."""
    return CounterMetricFamily(PREFIX + name, text, labels=labels)


def gauge(name: str, text: str, labels: list[str] | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, text, labels=labels or [])
