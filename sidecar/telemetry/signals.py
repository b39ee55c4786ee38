"""Metrics of the signals, their baselines and targets, and of a few signals by their own names."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sidecar.control import Control
from sidecar.model.entry import Tier
from sidecar.optimizer.baselines import Aim
from sidecar.optimizer.judging import gain_ratio
from sidecar.signals.history import History
from sidecar.telemetry.families import gauge

FIRST_LOOK_SECONDS = 300.0
"""The window of the hit ratios; dashboards use the rate of the counters instead."""
LAG_SECONDS = 60.0
"""The window of the lag, so that no peak falls between two scrapes."""


class SignalCollector(Collector):
    """Reads the control loop's history when scraped. Unknown values have no sample."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def collect(self) -> Iterator[Metric]:
        engine, history = self._control.engine, self._control.history
        signals = gauge(
            "signal",
            "A measurement that rules can use. Units differ by signal, see the documentation.",
            ["signal"],
        )
        values: dict[str, float] = {}
        for name in history.signals:
            value = engine.value(history, name)
            if value is not None:
                values[name] = value
                signals.add_metric([name], value)
        yield signals
        yield from _aims(engine.aims, values)
        yield from _hit_ratios(history)
        yield _alone(
            "event_loop_lag_seconds",
            "Longest delay of the event loop in the last minute, in seconds. No request is "
            "answered during a delay.",
            history.quantile("cpu.loop_lag_seconds", 1.0, LAG_SECONDS),
        )
        yield _alone(
            "memory_limit_bytes",
            "The container's memory limit, at which the kernel kills it.",
            values.get("memory.limit_bytes"),
        )
        yield _alone(
            "memory_working_set_bytes",
            "The container's working set as counted by the kubelet: without inactive file pages.",
            values.get("memory.working_set_bytes"),
        )
        yield _alone(
            "l3_disk_free_bytes",
            "Bytes free on L3's volume.",
            values.get("io.disk_free_bytes"),
        )


def _aims(aims: list[Aim], values: dict[str, float]) -> Iterator[Metric]:
    """Baselines and targets, and the signals' distances to them."""
    stated = {
        "baseline": {aim.signal: (aim.better, aim.baseline) for aim in aims},
        "target": {aim.signal: (aim.better, aim.target) for aim in aims},
    }
    for name, meaning in (("baseline", "usually is"), ("target", "should be")):
        aimed = gauge(name, f"What a signal {meaning}, stated or learned, in its unit.", ["signal"])
        distance = gauge(
            f"{name}_distance_ratio",
            f"How far a signal is from what it {meaning}, as a share of that; positive is better.",
            ["signal"],
        )
        for signal, (better, at) in stated[name].items():
            if at is None:
                continue
            aimed.add_metric([signal], at)
            if signal in values:
                distance.add_metric([signal], gain_ratio(better, at, values[signal]))
        yield from (aimed, distance)


def _hit_ratios(history: History) -> Iterator[Metric]:
    since = max(history.first_at, history.last_at - FIRST_LOOK_SECONDS)
    yield _alone(
        "hit_ratio",
        "Lookups answered by any tier over all lookups of the last 5 minutes, if at least 20.",
        history.over("cache.hit_ratio", since, history.last_at),
    )
    tiers = gauge(
        "tier_hit_ratio",
        "Hits of a tier over the lookups that reached it in the last 5 minutes, if at least 20.",
        ["tier"],
    )
    for tier in Tier:
        ratio = history.over(f"cache.{tier}.hit_ratio", since, history.last_at)
        if ratio is not None:
            tiers.add_metric([str(tier)], ratio)
    yield tiers


def _alone(name: str, text: str, value: float | None) -> GaugeMetricFamily:
    """A gauge without labels; without a sample if there is no value."""
    family = gauge(name, text)
    if value is not None:
        family.add_metric([], value)
    return family
