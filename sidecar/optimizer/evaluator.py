"""Evaluates the rules of a document and the changes that they would make, without side effects."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sidecar.model.change import Turn
from sidecar.optimizer.baselines import Baselines
from sidecar.optimizer.decisions import Explanation
from sidecar.optimizer.evaluation import (
    Moment,
    NotReady,
    Ready,
    Sight,
    hindrance,
    prepared,
    proposal,
    see,
)
from sidecar.optimizer.noise_monitor import NoiseMonitor
from sidecar.optimizer.rules import Rule, Rulebook
from sidecar.optimizer.situation import Situation
from sidecar.optimizer.standing import Standing, State
from sidecar.optimizer.trials import Trials
from sidecar.signals.history import History


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Holds everything that the evaluation of a rule needs."""

    book: Rulebook
    baselines: Baselines
    noise_monitor: NoiseMonitor
    trials: Trials

    def value(self, history: History, signal: str) -> float | None:
        """The value of a signal in a condition."""
        return history.last(signal, self.book.look_back_seconds)

    def see(self, rule: Rule, moment: Moment, now: float) -> Sight:
        """A rule's condition, evaluated."""
        return see(rule, moment.history, self.baselines, self.book.look_back_seconds, now)

    def hindrance(
        self, rule: Rule, standing: Standing, sight: Sight, now: float
    ) -> tuple[State, str] | None:
        """Why a rule can't act now, before its action is asked; None where it can."""
        return hindrance(rule, standing, sight, self.trials.current, now)

    def ready(self, rule: Rule, moment: Moment, now: float) -> Ready | NotReady:
        """The change that an enabled rule would make, and the data for its trial."""
        ready = proposal(rule, self._situation(moment))
        if isinstance(ready, NotReady):
            return ready
        if isinstance(ready.change, Turn):
            holder = self.trials.overlay.holder(ready.change.knob)
            if holder is not None and holder != rule.name:
                return NotReady(f"{ready.change.knob} is held by {holder}.")
        return prepared(
            rule,
            ready,
            self.noise_monitor,
            moment.history,
            now=now,
            quiet_since=self.trials.quiet_since,
        )

    def explain(self, rule: Rule, standing: Standing, moment: Moment, now: float) -> Explanation:
        """The result of an evaluation now, computed on a copy of the rule's state."""
        standing, sight = replace(standing), self.see(rule, moment, now)
        disabled = self.book.why_disabled(rule)
        standing.saw(holds=None if disabled else sight.holds, now=now)
        if disabled is not None:  # its noise is not measured either
            standing.say("disabled", disabled)
            return Explanation(rule, standing, sight, disabled, would_fire=False)
        ready = self.ready(rule, moment, now)
        would_do = ready.reason if isinstance(ready, NotReady) else ready
        hindered = self.hindrance(rule, standing, sight, now)
        if hindered is None and isinstance(ready, NotReady):
            hindered = ("pending", ready.reason)
        standing.say(*(hindered or ("pending", "Nothing prevents it.")))
        return Explanation(rule, standing, sight, would_do, would_fire=hindered is None)

    def _situation(self, moment: Moment) -> Situation:
        overlay = self.trials.overlay
        return Situation(
            cache=moment.cache,
            effective=overlay.effective if self.book.acts else overlay.configured,
            configured=overlay.configured,
            signal=lambda name: self.value(moment.history, name),
            step=self.book.step,
            knobs=overlay.knobs,
        )
