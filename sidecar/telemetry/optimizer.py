"""Metrics of the optimizer: its level, the states of its rules, trials and their outcomes.

Only the rules in force have series. The counters of all outcomes of a rule start at 0, since
Prometheus sees no increase if a series starts at 1. Only the current state of a rule has a series,
since six per rule would be too many.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Exemplar, Metric
from prometheus_client.registry import Collector

from sidecar.control import Control
from sidecar.model.outcome import Outcome, Verdict
from sidecar.optimizer.engine import Engine
from sidecar.optimizer.rules import Rule
from sidecar.telemetry.families import counter, gauge

_OF_EXPERIMENTS: tuple[Verdict, ...] = (
    *("improved", "regressed", "neutral"),
    *("failed", "interrupted"),
)
_OF_MEASURES: tuple[Verdict, ...] = ("applied", "regressed", "failed", "interrupted")


class OptimizerCollector(Collector):
    """Reads the engine when scraped."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def collect(self) -> Iterator[Metric]:
        engine = self._control.engine
        ticks = counter(
            "optimizer_ticks",
            "Number of times that the conditions of all rules were evaluated.",
            [],
        )
        ticks.add_metric([], engine.ticks)
        level = gauge(
            "optimizer_level",
            "1 for the level in force, which limits the size and the frequency of changes.",
            ["level"],
        )
        level.add_metric([engine.config.level], 1)
        state = gauge(
            "optimizer_rule_state",
            "1 for the current state of a rule; other states have no series.",
            ["rule", "state"],
        )
        for name, standing in engine.standings.items():
            state.add_metric([name, standing.state], 1)
        yield from (ticks, level, state)
        yield _outcomes(engine)
        yield from _trials(engine)


def _outcomes(engine: Engine) -> Metric:
    outcomes = counter(
        "optimizer_outcomes",
        "Changes by outcome: improved and applied ones are kept, others are rolled back.",
        ["rule", "type", "outcome"],
    )
    counts: dict[tuple[str, str, str], int] = dict(engine.tally)
    for rule in engine.rules:
        if engine.standings[rule.name].state != "disabled":
            for verdict in _possible(rule, dry_run=engine.config.dry_run):
                counts.setdefault((rule.name, rule.config.type, verdict), 0)
    last = {(outcome.rule, outcome.type, outcome.outcome): outcome for outcome in engine.outcomes}
    for labels, count in counts.items():
        if labels[0] in engine.standings:
            example = _exemplar(last[labels]) if count and labels in last else None
            outcomes.add_metric(labels, count, exemplar=example)
    return outcomes


def _exemplar(outcome: Outcome) -> Exemplar:
    """The change, as an exemplar, which only the OpenMetrics format has."""
    return Exemplar({"change": outcome.knob or outcome.action}, 1.0, outcome.ended_at)


def _possible(rule: Rule, *, dry_run: bool) -> tuple[Verdict, ...]:
    if dry_run:
        return ("dry_run",)
    return _OF_MEASURES if rule.config.expect is None else _OF_EXPERIMENTS


def _trials(engine: Engine) -> Iterator[Metric]:
    """The latest comparison of each rule."""
    last: dict[str, Outcome] = {
        outcome.rule: outcome
        for outcome in engine.outcomes
        if outcome.after is not None and outcome.rule in engine.standings
    }
    before = gauge(
        "optimizer_trial_before",
        "The signal that a rule expects to improve, before the change in its last trial.",
        ["rule"],
    )
    after = gauge("optimizer_trial_after", "The same signal after the change.", ["rule"])
    ended = gauge(
        "optimizer_trial_timestamp_seconds",
        "When the last trial ended, in seconds since 1970.",
        ["rule"],
    )
    effect = gauge(
        "optimizer_effect_ratio",
        "Difference relative to the value before; positive is better, +Inf if that was zero.",
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
