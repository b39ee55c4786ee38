"""Metrics of the optimizer: signals and what they should be, rules, trials and their outcomes."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from sidecar.control import Control
from sidecar.model.outcome import Outcome
from sidecar.optimizer.baselines import Aim
from sidecar.optimizer.judging import gain_ratio
from sidecar.signals.table import SIGNALS
from sidecar.telemetry.families import counter, gauge


class OptimizerCollector(Collector):
    """Reads the engine when it is scraped."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def collect(self) -> Iterator[Metric]:
        engine = self._control.engine
        ticks = counter("optimizer_ticks", "Times that all conditions were evaluated.", [])
        ticks.add_metric([], engine.ticks)
        level = gauge("optimizer_level", "The level in force.", ["level"])
        level.add_metric([engine.config.level], 1)
        state = gauge("optimizer_rule_state", "How a rule stands now.", ["rule", "state"])
        for name, standing in engine.standings.items():
            state.add_metric([name, standing.state], 1)
        outcomes = counter(
            "optimizer_outcomes", "Changes by what came of them.", ["rule", "type", "outcome"]
        )
        for (rule, kind, verdict), count in engine.tally.items():
            outcomes.add_metric([rule, kind, verdict], count)
        yield from (ticks, level, state, outcomes)
        yield from _trials(engine.outcomes)
        yield from self._signals(engine.aims)

    def _signals(self, aims: list[Aim]) -> Iterator[Metric]:
        """Units differ by signal, as the documentation's table says."""
        engine, history = self._control.engine, self._control.history
        signals = gauge("signal", "A signal now; units differ.", ["signal"])
        values: dict[str, float] = {}
        for signal in SIGNALS:
            value = engine.value(history, signal.name)
            if value is not None:
                values[signal.name] = value
                signals.add_metric([signal.name], value)
        yield signals
        for name in ("baseline", "target"):
            aimed = gauge(name, f"The {name} of a signal, stated or learned.", ["signal"])
            distance = gauge(
                f"{name}_distance_ratio",
                f"How far a signal is from its {name}, relative to it; positive is better.",
                ["signal"],
            )
            for aim in aims:
                at = aim.baseline if name == "baseline" else aim.target
                if at is None:
                    continue
                aimed.add_metric([aim.signal], at)
                if aim.signal in values:
                    ratio = gain_ratio(aim.better, at, values[aim.signal])
                    distance.add_metric([aim.signal], ratio)
            yield from (aimed, distance)


def _trials(outcomes: list[Outcome]) -> Iterator[Metric]:
    """The last comparison of each rule."""
    last = {outcome.rule: outcome for outcome in outcomes if outcome.after is not None}
    before = gauge("optimizer_trial_before", "The signal before a rule's last trial.", ["rule"])
    after = gauge("optimizer_trial_after", "The same after it.", ["rule"])
    ended = gauge("optimizer_trial_timestamp_seconds", "When that trial ended.", ["rule"])
    effect = gauge(
        "optimizer_effect_ratio",
        "After relative to before in a rule's last trial; positive is better.",
        ["rule"],
    )
    for rule, outcome in last.items():
        for family, value in (
            (before, outcome.before),
            (after, outcome.after),
            (ended, outcome.ended_at),
            (effect, outcome.effect_ratio),
        ):
            if value is not None:
                family.add_metric([rule], value)
    yield from (before, after, ended, effect)
