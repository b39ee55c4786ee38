"""How a rule's condition evaluates, and what keeps the rule from acting."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sidecar.model.change import Change, Declined, Turn, Value
from sidecar.model.snapshot import Snapshot
from sidecar.optimizer.baselines import Baselines
from sidecar.optimizer.conditions import Operand
from sidecar.optimizer.noise import LEAST_PAIRS, Threshold
from sidecar.optimizer.noise_monitor import NoiseMonitor
from sidecar.optimizer.rules import Rule
from sidecar.optimizer.situation import Situation
from sidecar.optimizer.standing import Standing, State
from sidecar.optimizer.trial import Trial
from sidecar.signals.history import History


@dataclass(frozen=True, slots=True)
class Moment:
    """The input of a tick. `wall` is wall clock seconds, for records."""

    history: History
    cache: Snapshot
    wall: float


@dataclass(frozen=True, slots=True)
class Sight:
    """A condition with its values, by the text of each operand; None where one is missing.

    `missing` lists these operands, and the unavailable signals of the rule's `expect` and `guard`.
    """

    holds: bool | None
    values: dict[str, float | None]
    missing: list[str]


@dataclass(frozen=True, slots=True)
class Ready:
    """What a trial needs to start.

    `guard_noise` is the largest loss that the guard measures without any change, in its signal's
    unit.
    """

    change: Change
    from_: Value | None
    before: float | None = None
    noise: Threshold | None = None
    guard_noise: float = 0.0


@dataclass(frozen=True, slots=True)
class NotReady:
    """Why a rule makes no change now, as a sentence; `failed` if its action raised an error."""

    reason: str
    failed: bool = False


def see(
    rule: Rule, history: History, baselines: Baselines, look_back_seconds: float, now: float
) -> Sight:
    """Evaluate a rule's condition; the result is None if any value is missing."""
    operands = rule.condition.operands
    found = [_value(operand, history, baselines, look_back_seconds, now) for operand in operands]
    values = {operand.text: value for operand, value in zip(operands, found, strict=True)}
    missing = [text for text, value in values.items() if value is None]
    known = [value for value in found if value is not None]
    holds = None if missing else rule.condition.evaluate(known)
    for part in (rule.config.expect, rule.config.guard):
        if part is not None and part.signal not in missing and not history.gives(part.signal):
            missing.append(part.signal)
    return Sight(holds, values, missing)


def _value(
    operand: Operand, history: History, baselines: Baselines, look_back_seconds: float, now: float
) -> float | None:
    signal = operand.signal
    if operand.function is not None:
        return operand.function.compute(history, signal, operand.seconds)
    match operand.source:
        case "baseline":
            return baselines.baseline(signal)
        case "target":
            return baselines.target(signal)
    return history.last(signal, look_back_seconds)


def hindrance(
    rule: Rule, standing: Standing, sight: Sight, trial: Trial | None, now: float
) -> tuple[State, str] | None:
    """Why a rule can't act now, before its action is asked; None where it can."""
    return next(_hindrances(rule, standing, sight, trial, now), None)


def _hindrances(
    rule: Rule, standing: Standing, sight: Sight, trial: Trial | None, now: float
) -> Iterator[tuple[State, str]]:
    config = rule.config
    if trial is not None and trial.rule.name == rule.name:
        left = max(0, math.ceil(trial.ends_at - now))
        yield "active", f"Its change is on trial for another {left} s."
    if sight.missing:
        yield "unavailable", f"No value of {', '.join(sight.missing)}."
    if now < standing.cooling_until:
        yield "cooling_down", f"For another {math.ceil(standing.cooling_until - now)} s."
    if not sight.holds:
        yield "inactive", "Its condition is false."
    # The window before must not start before the condition became true: the comparison would be
    # with another state.
    window = config.expect.window_seconds if config.expect else 0.0
    held, wanted = now - standing.holds_since, max(config.for_seconds, window)
    if held < wanted:
        yield "pending", f"True for {max(0, math.floor(held))} s of {math.ceil(wanted)} s."
    if trial is not None and (trial.rule.urgent or not rule.urgent):
        yield "pending", f"Waits for the trial of {trial.rule.name}."


def proposal(rule: Rule, situation: Situation) -> Ready | NotReady:
    """The change that the rule's action proposes, and the current value of its knob."""
    try:
        change = rule.action.propose(situation, rule.options)
        if isinstance(change, Declined):
            return NotReady(change.reason)
        if not isinstance(change, Turn):
            return Ready(change, None)
        stands_at = situation.knob(change.knob)
        situation.turned(change)
    except Exception as error:  # noqa: BLE001  (reported: a plugin's error must not stop the loop)
        return NotReady(f"Its action failed: {error!r}.", failed=True)
    if stands_at == change.to:
        return NotReady(f"{change.knob} already has this value.")
    return Ready(change, stands_at)


def prepared(
    rule: Rule,
    ready: Ready,
    noise_monitor: NoiseMonitor,
    history: History,
    *,
    now: float,
    quiet_since: float,
) -> Ready | NotReady:
    """The same with what a comparison needs. Nothing was changed since `quiet_since`.

    Requires a pair measured after the last change. So the window before is a quiet one, and the
    noise is recent even if trials are frequent.
    """
    guarded, compared = rule.guarded, rule.compared
    worst = None if guarded is None else noise_monitor.worst(guarded)
    guard_noise = 0.0 if worst is None else worst.loss
    if compared is None:  # a measure does not wait
        return Ready(ready.change, ready.from_, guard_noise=guard_noise)
    pairs = noise_monitor.pairs(compared)
    if len(pairs) < LEAST_PAIRS:
        return _waits(len(pairs), "pairs of quiet windows")
    if worst is not None and len(worst) < LEAST_PAIRS:
        return _waits(len(worst), "quiet windows for its guard")
    if pairs.added_at < quiet_since or (worst is not None and worst.added_at < quiet_since):
        return NotReady("Waits until quiet windows have been measured since the last change.")
    before = history.over(compared.signal, now - compared.window_seconds, now)
    if before is None:
        return NotReady(f"Too few readings of {compared.signal} to compare with.")
    return Ready(ready.change, ready.from_, before, pairs.threshold(), guard_noise)


def _waits(count: int, what: str) -> NotReady:
    return NotReady(
        f"Waits until the noise is known: {count} of {LEAST_PAIRS} {what} are measured."
    )
