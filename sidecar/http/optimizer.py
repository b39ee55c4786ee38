"""What the optimizer sees, would do, did, and what came of it: /v1/optimizer and below."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec

from sidecar.config.knobs import KNOBS
from sidecar.control import Control
from sidecar.http.messages import JSON_HEADER, Reply, Request
from sidecar.http.problems import ProblemError
from sidecar.model.change import Deed
from sidecar.optimizer.decisions import Decision, Explanation
from sidecar.optimizer.engine import Engine
from sidecar.optimizer.looking import Ready
from sidecar.signals.table import SIGNALS

_ANSWERS = {"true": True, "false": False}


class OptimizerApi:
    """Shows the control loop's engine, and has it look or forget when a person asks."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def overview(self, _request: Request) -> Reply:
        control = self._control
        engine, trial = control.engine, control.engine.trial
        config = engine.config
        return _json(
            {
                "enabled": config.enabled,
                "dry_run": config.dry_run,
                "level": config.level,
                "interval_seconds": config.interval_seconds,
                "ticks": engine.ticks,
                "trial": trial
                and {
                    "rule": trial.rule.name,
                    "change": _change(Ready(trial.change, trial.from_)),
                    "signal": trial.rule.config.expect and trial.rule.config.expect.signal,
                    "before": trial.before,
                    "started_at": trial.started_at,
                    "seconds_left": max(0.0, trial.ends_at - control.history.last_at),
                },
                "rules": [
                    {"rule": name, "state": standing.state, "reason": standing.reason}
                    for name, standing in engine.standings.items()
                ],
                "knobs": described_knobs(engine),
                "signals": self._signals(),
            }
        )

    async def rules(self, _request: Request) -> Reply:
        return _json({"rules": [_explained(each) for each in self._control.explain()]})

    async def outcomes(self, _request: Request) -> Reply:
        return _json({"outcomes": self._control.engine.outcomes[::-1]})

    async def run(self, request: Request) -> Reply:
        """Evaluate now. With `dry_run` nothing is changed, and every rule says what it would do."""
        dry_run = _dry_run(request.query)
        rules = [_explained(each) for each in self._control.explain()]
        decided = [] if dry_run else self._control.evaluate()
        decisions = [_decided(decision) for decision in decided]
        return _json({"dry_run": dry_run, "rules": rules, "decisions": decisions})

    async def reset(self, _request: Request) -> Reply:
        self._control.reset()
        return Reply(204)

    def _signals(self) -> dict[str, Any]:
        """Every signal now, with what it should be; `value` is null where it is unavailable."""
        aims = {aim.signal: aim for aim in self._control.engine.aims}
        described = {}
        for signal in SIGNALS:
            aim = aims.get(signal.name)
            described[signal.name] = {
                "value": self._control.engine.value(self._control.history, signal.name),
                "unit": signal.unit,
                "baseline": None if aim is None else aim.baseline,
                "target": None if aim is None else aim.target,
            }
        return described


def described_knobs(engine: Engine) -> dict[str, Any]:
    """What each knob was configured to, and what is in force."""
    configured, effective = engine.configured, engine.effective
    return {
        knob.name: {"configured": knob.read(configured), "effective": knob.read(effective)}
        for knob in KNOBS.values()
    }


def _explained(explanation: Explanation) -> dict[str, Any]:
    config, standing, would_do = (
        explanation.rule.config,
        explanation.standing,
        explanation.would_do,
    )
    ready = isinstance(would_do, Ready)
    return {
        "rule": config.name,
        "type": config.type,
        "level": config.level,
        "state": standing.state,
        "reason": standing.reason,
        "when": config.when,
        "values": explanation.sight.values,
        "missing": explanation.sight.missing,
        "holds": explanation.sight.holds,
        "action": config.action,
        "change": _change(would_do) if isinstance(would_do, Ready) else None,
        "hindrance": None if ready else would_do,
        "would_fire": explanation.would_fire,
    }


def _change(ready: Ready) -> dict[str, Any]:
    if isinstance(ready.change, Deed):
        return {"deed": ready.change.name}
    return {"knob": ready.change.knob, "from": ready.from_, "to": ready.change.to}


def _decided(decision: Decision) -> dict[str, Any]:
    return {"event": decision.event, "rule": decision.rule.name, **decision.fields}


def _dry_run(query: str) -> bool:
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    unknown = parameters.keys() - {"dry_run"}
    if unknown:
        raise ProblemError(400, f"There is no parameter {min(unknown)[:80]!r} here, only dry_run.")
    text = parameters.get("dry_run", "false")
    if text not in _ANSWERS:
        raise ProblemError(400, "dry_run is true or false.")
    return _ANSWERS[text]


def _json(body: Any) -> Reply:
    return Reply(200, JSON_HEADER, msgspec.json.encode(body))
