"""Metrics of the optimizer: its level, how its rules stand, trials and their outcomes.

Series are of the rules in force alone. A counter is there from zero on for all that may become of
a rule's changes: Prometheus sees no increase where a series begins with 1. Of a rule's states only
the one it is in has a series, since six for each rule would be too many.
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
    """Reads the engine when it is scraped."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def collect(self) -> Iterator[Metric]:
        engine = self._control.engine
        ticks = counter(
            "optimizer_ticks", "Times that the conditions of all rules were evaluated.", []
        )
        ticks.add_metric([], engine.ticks)
        level = gauge(
            "optimizer_level",
            "1 for the level in force: how much may be changed at a time, and how often.",
            ["level"],
        )
        level.add_metric([engine.config.level], 1)
        state = gauge(
            "optimizer_rule_state",
            "1 for the state that a rule is in; the others have no series.",
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
        "Changes by what came of them: improved and applied ones stay, the others are undone.",
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
    """What was changed that time. OpenMetrics has it, the older format leaves it out."""
    return Exemplar({"change": outcome.knob or outcome.action}, 1.0, outcome.ended_at)


def _possible(rule: Rule, *, dry_run: bool) -> tuple[Verdict, ...]:
    if dry_run:
        return ("dry_run",)
    return _OF_MEASURES if rule.config.expect is None else _OF_EXPERIMENTS


def _trials(engine: Engine) -> Iterator[Metric]:
    """The last comparison of each rule."""
    last: dict[str, Outcome] = {
        outcome.rule: outcome
        for outcome in engine.outcomes
        if outcome.after is not None and outcome.rule in engine.standings
    }
    before = gauge(
        "optimizer_trial_before",
        "The signal that a rule promises to improve, before its last trial, in its unit.",
        ["rule"],
    )
    after = gauge("optimizer_trial_after", "The same signal after the change.", ["rule"])
    ended = gauge(
        "optimizer_trial_timestamp_seconds",
        "When that trial ended, in seconds since 1970.",
        ["rule"],
    )
    effect = gauge(
        "optimizer_effect_ratio",
        "The difference between both as a share of before; positive is better, +Inf is from zero.",
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
