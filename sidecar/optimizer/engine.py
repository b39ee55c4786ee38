"""The engine: takes measurements, and returns decisions.

A tick does the following, in this order:

1. A jump of the clock ends the trial in progress, since values across it are not comparable.
2. Noise is measured, and baselines are learned.
3. The trial in progress is checked, and may end.
4. Every `interval`, all conditions are evaluated, measures whose condition is clear are released,
   and the first rule that may act acts.

The engine turns knobs in an overlay. Its caller then applies `effective` and makes the one-shot
changes. The engine has no clock and does no I/O.

One file of more than 300 lines, so that a tick can be read from start to end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sidecar.config.knobs import Effective, Knobs
from sidecar.config.values import Document, OptimizerConfig
from sidecar.model.outcome import Outcome
from sidecar.optimizer.baselines import Aim, Baselines
from sidecar.optimizer.decisions import Decision, Explanation, SavedState
from sidecar.optimizer.evaluation import Moment, NotReady, Ready, Sight
from sidecar.optimizer.evaluator import Evaluator
from sidecar.optimizer.noise_monitor import DEFAULT_SETTLE_SECONDS, NoiseMonitor
from sidecar.optimizer.overlay import Overlay
from sidecar.optimizer.rules import Rule, Rulebook
from sidecar.optimizer.standing import Standing
from sidecar.optimizer.trial import End, Trial
from sidecar.optimizer.trials import Trials
from sidecar.signals.history import History

MOST_GAP_SECONDS = 10.0
"""A longer gap between two ticks, or a larger difference between the clocks, is a jump."""


class Engine:
    """Runs the rules of one document at a time.

    `now` is the time of a monotonic clock; `wall` is the wall clock, for records and for saved
    state. Both are in seconds.
    """

    def __init__(
        self,
        document: Document,
        memory: SavedState,
        now: float,
        wall: float,
        knobs: Knobs,
    ) -> None:
        self._baselines = Baselines(memory.learned)
        self._noise_monitor = NoiseMonitor()
        overlay = Overlay(Effective(cache=document.cache), knobs)
        overlay.restore(memory.kept)
        self._trials = Trials(overlay, memory.outcomes, self._ended, now)
        self._next_look = now
        self._last = (now, wall)
        self._book = Rulebook(OptimizerConfig())
        self._evaluator: Evaluator
        self.standings: dict[str, Standing] = {}
        """The state of each rule, by name."""
        self.ticks = 0
        """How often the conditions were evaluated."""
        self._take(document)
        for rule in self.rules:
            if rule.name in memory.cooldowns:
                cooldown, most = memory.cooldowns[rule.name], 2 * self._book.cooldown(rule)
                self.standings[rule.name].resume(cooldown, most, now, wall)

    # ---- what is known

    @property
    def config(self) -> OptimizerConfig:
        return self._book.config

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self._book.rules

    @property
    def knobs(self) -> Knobs:
        return self._trials.overlay.knobs

    @property
    def effective(self) -> Effective:
        """The values to apply; those of the configuration if disabled or in a dry run."""
        overlay = self._trials.overlay
        return overlay.effective if self._book.acts else overlay.configured

    @property
    def configured(self) -> Effective:
        """The values of the configuration, without the optimizer's changes."""
        return self._trials.overlay.configured

    def value(self, history: History, signal: str) -> float | None:
        """The value of a signal in a condition."""
        return self._evaluator.value(history, signal)

    @property
    def outcomes(self) -> list[Outcome]:
        """The recent outcomes, oldest first."""
        return list(self._trials.outcomes)

    @property
    def tally(self) -> Mapping[tuple[str, str, str], int]:
        """The number of outcomes since the start, by rule, type and outcome."""
        return self._trials.tally

    @property
    def trial(self) -> Trial | None:
        return self._trials.current

    @property
    def aims(self) -> list[Aim]:
        """Baselines and targets."""
        return self._baselines.aims

    def memory(self, now: float, wall: float) -> SavedState:
        """The state to save for the next process."""
        cooldowns = {
            name: cooldown
            for name, standing in self.standings.items()
            if (cooldown := standing.cooldown(now, wall)) is not None
        }
        return SavedState(
            kept=dict(self._trials.overlay.kept),
            outcomes=self.outcomes,
            cooldowns=cooldowns,
            learned=self._baselines.learned,
        )

    def explain(self, moment: Moment, now: float) -> list[Explanation]:
        """Explain how every rule would be evaluated now, without side effects."""
        standings = self.standings
        explained = {
            rule.name: self._evaluator.explain(rule, standings[rule.name], moment, now)
            for rule in self.rules
        }
        free = [rule for rule in self._book.by_urgency if explained[rule.name].would_fire]
        for rule in free[1:]:  # one trial at a time
            if self._book.acts:
                waiting = replace(explained[rule.name], would_fire=False)
                waiting.standing.say("pending", f"{free[0].name} comes first.")
                explained[rule.name] = waiting
        return list(explained.values())

    # ---- what happens

    def tick(self, moment: Moment, now: float, *, look: bool = False) -> list[Decision]:
        """Process the measurements until `now`; `look` evaluates conditions even if not due."""
        trials, history, wall = self._trials, moment.history, moment.wall
        decisions: list[Decision] = []
        if self._jumped(now, wall):
            decisions += trials.interrupt("The clock jumped.", now, wall)
            trials.quiet_since = now
            self._next_look = now
            for standing in self.standings.values():
                standing.forget_times()
        self._noise_monitor.observe(history, now, trials.quiet_since)
        self._baselines.observe(history, now, wall)
        decisions += trials.watch(history, now, wall)
        if look or now >= self._next_look:
            self._next_look = now + self.config.interval_seconds
            self.ticks += 1
            for rule in self._book.by_urgency:
                decisions += self._look(rule, self.standings[rule.name], moment, now)
        return decisions

    def failed(
        self, why: str, now: float, wall: float, trial: Trial | None = None
    ) -> list[Decision]:
        """Record that a decision could not be applied. `trial` is that of a one-shot change, and
        may have ended. Without it, the change in progress failed, or else all earlier changes are
        taken back, since any of them may be the cause.
        """
        trial = trial or self.trial
        if trial is None:
            self._trials.overlay.kept.clear()
            self._trials.touched(now, DEFAULT_SETTLE_SECONDS)
            return self._trials.release_where(lambda _: True, now)
        return self._trials.fail(trial, why, now, wall)

    def stop(self, now: float, wall: float) -> list[Decision]:
        """End the trial in progress, since the process ends."""
        return self._trials.interrupt("The sidecar stopped.", now, wall)

    def reset(self, now: float, wall: float) -> list[Decision]:
        """Undo all kept changes: the configured values apply, and every rule starts again."""
        trials = self._trials
        trials.overlay.kept.clear()
        decisions = trials.end(
            End("interrupted", "The changes of the optimizer were reset."), now, wall
        )
        decisions += trials.release_where(lambda _: True, now)
        trials.touched(now, DEFAULT_SETTLE_SECONDS)
        self.standings = {rule.name: Standing() for rule in self.rules}
        return decisions

    def configure(self, document: Document, now: float, wall: float) -> list[Decision]:
        """Use another document. A trial continues only if its rule and the whole configuration of
        the cache are unchanged.
        """
        trials, was = self._trials, (self.configured, self.effective)
        changed = trials.overlay.configure(Effective(cache=document.cache))
        self._take(document)
        acting, decisions = self._book.acting, []
        if trials.current is not None:
            turn, rule = trials.current.turn, trials.current.rule
            if turn is not None and turn.knob in changed:
                why = f"{turn.knob} was configured anew."
                decisions += trials.end(End("interrupted", why), now, wall)
            elif acting.get(rule.name) != rule.config:
                why = "Its rule was changed or disabled."
                decisions += trials.end(End("interrupted", why), now, wall)
            elif self.configured != was[0]:
                decisions += trials.interrupt("The cache configuration changed.", now, wall)
        decisions += trials.release_where(
            lambda held: held.turn.knob in changed or held.rule.name not in acting, now
        )
        if self.effective != was[1]:
            trials.touched(now, DEFAULT_SETTLE_SECONDS)
        if changed:
            for standing in self.standings.values():
                standing.scale = 1
        return decisions

    # ---- looking at one rule

    def _look(self, rule: Rule, standing: Standing, moment: Moment, now: float) -> list[Decision]:
        """Evaluate a rule's condition, update its state, and act if nothing prevents it."""
        disabled = self._book.why_disabled(rule)
        if disabled is not None:
            standing.saw(holds=None, now=now)
            standing.say("disabled", disabled)
            return []
        sight = self._evaluator.see(rule, moment, now)
        standing.saw(holds=sight.holds, now=now)
        standing.needs(self._needed(rule, standing, sight, now), now)
        decisions = self._release(rule, standing, now)
        hindered = self._evaluator.hindrance(rule, standing, sight, now)
        if hindered is not None:
            standing.say(*hindered)
            return decisions
        return decisions + self._act(rule, standing, sight, moment, now)

    def _act(
        self, rule: Rule, standing: Standing, sight: Sight, moment: Moment, now: float
    ) -> list[Decision]:
        """Make the change that the rule's action proposes, if any and if it can be compared."""
        trials, wall = self._trials, moment.wall
        ready = self._evaluator.ready(rule, moment, now)
        decisions: list[Decision] = []
        if isinstance(ready, Ready) and trials.current is not None:
            decisions = trials.interrupt(f"{rule.name} came first.", now, wall)
            ready = self._evaluator.ready(rule, moment, now)  # the knob may have changed
        if isinstance(ready, NotReady) and not ready.failed:
            standing.say("pending", ready.reason)
            return decisions
        saw = {"condition": rule.config.when, "values": sight.values}
        decisions.append(Decision("fired", rule, saw))
        if isinstance(ready, NotReady):
            return decisions + trials.spoil(rule, ready.reason, now, wall)
        if not self._book.acts:
            return decisions + trials.rehearse(rule, ready, now, wall)
        standing.acted(self._book.cooldown(rule))
        standing.say("active", "Its change is on trial.")
        return decisions + trials.begin(rule, ready, sight, now, wall)

    def _needed(self, rule: Rule, standing: Standing, sight: Sight, now: float) -> bool | None:
        """Whether the rule's condition is true, or would be without its last held turn."""
        held = self._trials.overlay.held_by(rule.name)
        if sight.holds is None or not held:
            return sight.holds
        for each in held:
            each.relief.see(sight.values, now)
        return sight.holds or held[-1].relief.needed(sight.values, now - standing.quiet_since)

    def _release(self, rule: Rule, standing: Standing, now: float) -> list[Decision]:
        """Release a measure's last turn if its condition has been clear for long enough."""
        if self.trial is not None or not standing.clear_for(self._book.cooldown(rule), now):
            return []
        decisions = self._trials.release(rule, now)
        if decisions:
            standing.released_at = now
        return decisions

    # ---- inside

    def _ended(self, trial: Trial, end: End, now: float) -> None:
        """Start the cooldown of a trial's rule: longer after each change without a benefit, and
        doubled after a failure.
        """
        standing = self.standings.get(trial.rule.name)
        if standing is None:  # its rule was removed
            return
        standing.tried(end.verdict)
        factor = 2 if end.verdict == "failed" else 1
        standing.cool(now, self._book.cooldown(trial.rule) * factor)
        standing.say("cooling_down", end.reason)

    def _take(self, document: Document) -> None:
        """Use a document's rules; unchanged rules keep their state."""
        before = {rule.name: rule.config for rule in self.rules}
        self._book = Rulebook(document.optimizer)
        self._evaluator = Evaluator(self._book, self._baselines, self._noise_monitor, self._trials)
        self._baselines.configure(document.baselines)
        self.standings = {
            rule.name: self.standings[rule.name]
            if before.get(rule.name) == rule.config
            else Standing()
            for rule in self.rules
        }
        running = self._book.running
        self._noise_monitor.watch(
            [compared for rule in running if (compared := rule.compared) is not None],
            [guarded for rule in running if (guarded := rule.guarded) is not None],
        )

    def _jumped(self, now: float, wall: float) -> bool:
        (last, last_wall), self._last = self._last, (now, wall)
        passed = now - last
        drift = abs(wall - last_wall - passed)
        return passed < 0 or passed > MOST_GAP_SECONDS or drift > MOST_GAP_SECONDS
