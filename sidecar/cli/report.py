"""The optimizer's state as tables for a terminal. Text that is too long wraps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sidecar.api.answers import Change, Overview, Rule, Trial
from sidecar.cli import figures
from sidecar.cli.figures import Readings
from sidecar.model.change import Value
from sidecar.model.outcome import Outcome

_STYLES = {
    "improved": "green",
    "applied": "cyan",
    "regressed": "red",
    "failed": "red",
    "interrupted": "yellow",
    "active": "cyan",
    "unavailable": "yellow",
}
"""Styles of outcomes and states; others have none."""


def overview_parts(overview: Overview, readings: Readings) -> Iterator[RenderableType]:
    """The optimizer's state and the trial in sentences, then tables of the rules, the changed
    knobs, and the signals with a baseline or a target.
    """
    switched = "on" if overview.enabled else "off"
    if overview.enabled and overview.dry_run:
        switched = "in a dry run: it changes nothing"
    yield Text(
        f"The optimizer is {switched}, at level {overview.level}. It evaluates its rules every "
        f"{figures.span(overview.interval_seconds)}, {overview.ticks:,} times since the start."
    )
    yield _trial(overview.trial, readings) if overview.trial else Text("No change is on trial.")
    yield _standings(overview)
    turned = {
        name: knob for name, knob in overview.knobs.items() if knob.effective != knob.configured
    }
    if turned:
        table = _table("knob", "configured", "in force")
        for name, knob in turned.items():
            configured, effective = knob.configured, knob.effective
            table.add_row(name, figures.knob(name, configured), figures.knob(name, effective))
        yield table
    else:
        yield Text("Every knob has its configured value.\n")
    aims = {
        name: signal
        for name, signal in overview.signals.items()
        if signal.baseline is not None or signal.target is not None
    }
    if aims:
        table = _table("signal", "now", "baseline", "target", "better")
        for name, signal in aims.items():
            values = (signal.value, signal.baseline, signal.target)
            table.add_row(
                name,
                *("-" if value is None else readings.reading(name, value) for value in values),
                signal.better,
            )
        yield table
    yield Text("Use --json for all signals and knobs.", style="dim")


def rules_table(rules: Iterable[Rule], readings: Readings) -> Table:
    """A row for each rule: its condition with its values, the change, and the reason."""
    table = _table("rule", "state", "condition, values, change and reason", apart=True)
    for rule in rules:
        table.add_row(
            _lines(rule.rule, Text(f"{rule.type}, {rule.action}", "dim")),
            Text("would fire", "green") if rule.would_fire else styled(rule.state),
            _lines(*_explanation(rule, readings)),
        )
    return table


def outcomes_table(outcomes: Iterable[Outcome], readings: Readings) -> Table:
    """A row for each outcome: the change, the measurements and the reason."""
    table = _table("ended", "rule", "outcome", "change, values and reason", apart=True)
    for outcome in outcomes:
        day, time = figures.day_and_time(outcome.ended_at)
        table.add_row(
            _lines(time, Text(day, "dim")),
            outcome.rule,
            styled(outcome.outcome),
            _lines(*_account(outcome, readings)),
        )
    return table


def decisions_made(decisions: Iterable[Mapping[str, Any]]) -> Iterator[Text]:
    """A line for each decision."""
    for decision in decisions:
        yield _lines(f"{decision['rule']}: {_decided(decision)}")


def named(change: Change) -> str:
    """A change in words."""
    if not isinstance(change.knob, str):
        return str(change.deed)
    from_ = None if change.from_ is msgspec.UNSET else change.from_
    to = None if change.to is msgspec.UNSET else change.to
    return _turned(change.knob, from_, to)


def change_of(outcome: Outcome) -> str:
    """The change of an outcome, in words."""
    if outcome.knob is None:
        return outcome.action
    return _turned(outcome.knob, outcome.from_, outcome.to)


def comparison_of(outcome: Outcome, readings: Readings) -> str:
    """The signal before and after, with the effect and the noise; empty if it was not measured."""
    signal = outcome.signal
    if signal is None or outcome.before is None:
        return ""
    text = f"{signal} {readings.reading(signal, outcome.before)}"
    if outcome.after is not None:
        text += f" to {readings.reading(signal, outcome.after)}"
    if outcome.effect_ratio is not None:
        text += f", {effect(outcome.effect_ratio)}"
    if outcome.noise is not None:
        text += f"; noise {readings.spread(signal, outcome.noise)}"
    return text


def effect(ratio: float) -> str:
    """An effect relative to the value before: 8.5% better."""
    return f"{figures.share(abs(ratio))} {'worse' if ratio < 0 else 'better'}"


def styled(word: str) -> Text:
    """An outcome or a state, in its colour."""
    return Text(word.replace("_", " "), _STYLES.get(word, "none"))


def _trial(trial: Trial, readings: Readings) -> Text:
    text = f"On trial: {trial.rule}, {named(trial.change)}."
    if trial.signal is not None and trial.before is not None:
        text += f" {trial.signal} was {readings.reading(trial.signal, trial.before)} before."
    if trial.signal is not None and trial.noise is not None:
        text += f" Noise is {readings.spread(trial.signal, trial.noise)}."
    return Text(f"{text} It is judged in {figures.span(round(trial.seconds_left))}.", "cyan")


def _standings(overview: Overview) -> Table:
    table = _table("rule", "state", "reason")
    for standing in overview.rules:
        table.add_row(standing.rule, styled(standing.state), Text(standing.reason))
    return table


def _explanation(rule: Rule, readings: Readings) -> Iterator[str | Text]:
    yield " ".join(rule.when.split())
    for text, value in rule.values.items():
        yield Text(f"  {readings.operand(text, value)}", "dim")
    if rule.would_fire and rule.change is not None:
        verb = "do" if rule.change.knob is msgspec.UNSET else "change"
        yield Text(f"It would {verb} {named(rule.change)}.", "green")
    else:
        yield Text(rule.reason, _STYLES.get(rule.state, "none"))


def _account(outcome: Outcome, readings: Readings) -> Iterator[str | Text]:
    yield change_of(outcome)
    if compared := comparison_of(outcome, readings):
        yield compared
    yield Text(outcome.reason, "dim")


def _decided(decision: Mapping[str, Any]) -> str:
    """A decision in words; an event unknown to this version is shown with its fields."""
    match decision:
        case {"event": "fired", "condition": condition}:
            return f"fired, since {' '.join(str(condition).split())}"
        case {"event": "changed", "deed": deed}:
            return f"did {deed}"
        case {"event": "changed" | "rolled_back" as event, "knob": _}:
            change = msgspec.convert(decision, Change)
            return f"{'changed' if event == 'changed' else 'rolled back'} {named(change)}"
        case {"event": "concluded", "outcome": outcome, "reason": reason}:
            return f"{outcome}. {reason}"
        case {"event": "released", "knob": knob}:
            return f"released {knob}"
    return str(dict(decision))


def _turned(knob: str, from_: Value | None, to: Value | None) -> str:
    return f"{knob} from {figures.knob(knob, from_)} to {figures.knob(knob, to)}"


def _table(*columns: str, apart: bool = False) -> Table:
    """A table whose last column wraps if the table is too wide. `apart` leaves an empty line
    between rows.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False, leading=int(apart))
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _lines(*lines: str | Text) -> Text:
    """Lines of one cell, without markup."""
    return Text("\n").join(Text(line) if isinstance(line, str) else line for line in lines)
