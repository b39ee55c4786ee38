"""The handlers of /v1/optimizer: the state of the optimizer, its rules and their outcomes.

The answers are indented JSON, since people read them with curl.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from sidecar.api import answers
from sidecar.control import Control
from sidecar.http.messages import JSON_HEADER, Reply, Request
from sidecar.http.problems import ProblemError
from sidecar.model.change import Change, OneShot, Value
from sidecar.optimizer.decisions import Explanation
from sidecar.optimizer.engine import Engine
from sidecar.optimizer.evaluation import Ready
from sidecar.optimizer.situation import COOLDOWN_SCALES
from sidecar.optimizer.trial import Trial

S = TypeVar("S", bound=Struct)


class RunQuery(Struct, frozen=True):
    """The parameters of an evaluation."""

    dry_run: Annotated[bool, Meta(description="true: change nothing.")] = False


class OptimizerApi:
    """Shows the state of the engine, evaluates the rules on request, and resets the engine."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def overview(self, request: Request) -> Reply:
        await _begin(request)
        engine = self._control.engine
        config, trial = engine.config, engine.trial
        return _json(
            answers.Overview(
                enabled=config.enabled,
                dry_run=config.dry_run,
                level=config.level,
                interval_seconds=config.interval_seconds,
                ticks=engine.ticks,
                trial=None if trial is None else self._trial(trial),
                rules=[
                    answers.Standing(rule=name, state=standing.state, reason=standing.reason)
                    for name, standing in engine.standings.items()
                ],
                knobs=described_knobs(engine),
                signals=self._signals(),
            )
        )

    async def rules(self, request: Request) -> Reply:
        await _begin(request)
        return _json(answers.Rules(self._rules()))

    async def outcomes(self, request: Request) -> Reply:
        await _begin(request)
        return _json(answers.Outcomes(self._control.engine.outcomes[::-1]))

    async def run(self, request: Request, query: RunQuery) -> Reply:
        """Evaluate now. `dry_run` changes nothing; the answer has what every rule would do."""
        await _begin(request)
        rules = self._rules()
        decisions = [] if query.dry_run else self._control.evaluate()
        return _json(
            answers.Run(
                dry_run=query.dry_run,
                rules=rules,
                decisions=[
                    {"event": decision.event, "rule": decision.rule.name, **decision.fields}
                    for decision in decisions
                ],
            )
        )

    async def reset(self, request: Request) -> Reply:
        refuse_body(request)
        self._control.reset()
        return Reply(204)

    def _rules(self) -> list[answers.Rule]:
        scale = COOLDOWN_SCALES[self._control.engine.config.level]
        return [_rule(explanation, scale) for explanation in self._control.explain()]

    def _trial(self, trial: Trial) -> answers.Trial:
        expect, noise = trial.rule.config.expect, trial.noise
        return answers.Trial(
            rule=trial.rule.name,
            change=_change(trial.change, trial.from_),
            signal=None if expect is None else expect.signal,
            before=trial.before,
            noise=None if noise is None else max(noise.difference, noise.residual),
            started_at=trial.started_at,
            seconds_left=max(0.0, trial.ends_at - self._control.history.last_at),
        )

    def _signals(self) -> dict[str, answers.Signal]:
        engine, history = self._control.engine, self._control.history
        aims = {aim.signal: aim for aim in engine.aims}
        shown = {}
        for signal in history.signals.values():
            aim = aims.get(signal.name)
            shown[signal.name] = answers.Signal(
                value=engine.value(history, signal.name),
                unit=signal.unit,
                meaning=signal.meaning,
                better=signal.better if aim is None else aim.better,
                baseline=None if aim is None else aim.baseline,
                target=None if aim is None else aim.target,
            )
        return shown


def described_knobs(engine: Engine) -> dict[str, answers.Knob]:
    """The configured value and the value in force of each knob."""
    configured, effective = engine.configured, engine.effective
    return {
        knob.name: answers.Knob(
            meaning=knob.meaning,
            configured=knob.read(configured),
            effective=knob.read(effective),
        )
        for knob in engine.knobs.values()
    }


def _rule(explanation: Explanation, cooldown_scale: float) -> answers.Rule:
    config, standing, sight = explanation.rule.config, explanation.standing, explanation.sight
    would_do, expect, guard = explanation.would_do, config.expect, config.guard
    change = _change(would_do.change, would_do.from_) if isinstance(would_do, Ready) else None
    return answers.Rule(
        rule=config.name,
        would_fire=explanation.would_fire,
        state=standing.state,
        reason=standing.reason,
        when=config.when,
        holds=sight.holds,
        values=sight.values,
        missing=sight.missing,
        change=change,
        no_change=would_do if isinstance(would_do, str) else None,
        type=config.type,
        level=config.level,
        action=config.action,
        with_=config.options,
        for_seconds=config.for_seconds,
        cooldown_seconds=config.cooldown_seconds * cooldown_scale * standing.scale,
        expect=None if expect is None else in_shape(answers.Expectation, expect),
        guard=None if guard is None else in_shape(answers.Guard, guard),
    )


def _change(change: Change, from_: Value | None) -> answers.Change:
    if isinstance(change, OneShot):
        return answers.Change(deed=change.name)
    return answers.Change(knob=change.knob, from_=from_, to=change.to)


def in_shape(shape: type[S], config: object) -> S:
    """A part of the configuration, converted to the type of an answer."""
    return msgspec.convert(config, shape, from_attributes=True)


async def _begin(request: Request) -> None:
    """Refuse a body, and wait for others: with a hundred rules, an answer takes milliseconds."""
    refuse_body(request)
    await request.protocol.admission.slices.next()


def refuse_body(request: Request) -> None:
    """Raises ProblemError if a request has a body: `dry_run` sent in a body would be ignored, and
    the client would make the changes that it only wanted to see.
    """
    if request.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in request.headers:
        raise ProblemError(400, "This path takes no body; send parameters in the query.")


def _json(body: msgspec.Struct) -> Reply:
    return Reply(200, JSON_HEADER, msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n")
