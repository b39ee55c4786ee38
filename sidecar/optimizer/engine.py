"""The engine: what was measured goes in, what is to be done comes out.

One tick, in this order:

1. A jump of the clock ends what is under way: nothing is compared across it.
2. Noise is measured, and what is to be learned is learned.
3. The trial under way is watched, and perhaps comes to its end.
4. Every `interval` all conditions are evaluated, measures whose condition is clear are let go, and
   the first rule that may act does.

The engine turns knobs in an overlay; its caller puts `effective` in force afterwards, and
makes the one-shot changes. It has no clock and does no I/O.

One file of more than 300 lines, so that a tick can be read from its top to its end.
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
"""Between two ticks, or between the two clocks since the last one: more is a jump."""


class Engine:
    """The rules of one document at a time.

    `now` is always of one clock that never goes back; `wall` is the wall clock, for records and for
    what outlives the process. Both in seconds.
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
        """By rule."""
        self.ticks = 0
        """How often all conditions were evaluated."""
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
        """What is to be in force: switched off or in a dry run, what was configured."""
        overlay = self._trials.overlay
        return overlay.effective if self._book.acts else overlay.configured

    @property
    def configured(self) -> Effective:
        """What would be in force without the optimizer."""
        return self._trials.overlay.configured

    def value(self, history: History, signal: str) -> float | None:
        """A signal as a condition sees it."""
        return self._evaluator.value(history, signal)

    @property
    def outcomes(self) -> list[Outcome]:
        """The oldest first."""
        return list(self._trials.outcomes)

    @property
    def tally(self) -> Mapping[tuple[str, str, str], int]:
        """How many outcomes since the start, by rule, type and outcome."""
        return self._trials.tally

    @property
    def trial(self) -> Trial | None:
        return self._trials.current

    @property
    def aims(self) -> list[Aim]:
        """Baselines and targets."""
        return self._baselines.aims

    def memory(self, now: float, wall: float) -> SavedState:
        """What to keep for the next process."""
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
        """Every rule as a look now would find it; nothing is changed."""
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
        """Take in what was measured until `now`; `look` evaluates conditions whether due or not."""
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
        """What was decided could not be done. `trial` is that of a one-shot change, and may be over
        by now. Without one it is the change under way, or else all that was turned before, since
        the cause may be any of it.
        """
        trial = trial or self.trial
        if trial is None:
            self._trials.overlay.kept.clear()
            self._trials.touched(now, DEFAULT_SETTLE_SECONDS)
            return self._trials.release_where(lambda _: True, now)
        return self._trials.fail(trial, why, now, wall)

    def stop(self, now: float, wall: float) -> list[Decision]:
        """The process ends, and a trial with it."""
        return self._trials.interrupt("The sidecar stopped.", now, wall)

    def reset(self, now: float, wall: float) -> list[Decision]:
        """Drop all that was kept: what was configured is in force, and every rule starts anew."""
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
        """Another document. A trial goes on where its rule and all of the cache's configuration
        are as they were.
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
        """Evaluate its condition, say how it stands, and let it act if nothing hinders it."""
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
        """Make the change that its action proposes, where there is one and it can be compared."""
        trials, wall = self._trials, moment.wall
        ready = self._evaluator.ready(rule, moment, now)
        decisions: list[Decision] = []
        if isinstance(ready, Ready) and trials.current is not None:
            decisions = trials.interrupt(f"{rule.name} came first.", now, wall)
            ready = self._evaluator.ready(rule, moment, now)  # the knob may stand elsewhere now
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
        """Whether its condition holds, or would without the last turn that it holds."""
        held = self._trials.overlay.held_by(rule.name)
        if sight.holds is None or not held:
            return sight.holds
        for each in held:
            each.relief.see(sight.values, now)
        return sight.holds or held[-1].relief.needed(sight.values, now - standing.quiet_since)

    def _release(self, rule: Rule, standing: Standing, now: float) -> list[Decision]:
        """Release a measure's last turn, where its condition has been clear for long enough."""
        if self.trial is not None or not standing.clear_for(self._book.cooldown(rule), now):
            return []
        decisions = self._trials.release(rule, now)
        if decisions:
            standing.released_at = now
        return decisions

    # ---- inside

    def _ended(self, trial: Trial, end: End, now: float) -> None:
        """A trial's rule cools: longer each time that it did nothing good, twice when it failed."""
        standing = self.standings.get(trial.rule.name)
        if standing is None:  # its rule is gone
            return
        standing.tried(end.verdict)
        factor = 2 if end.verdict == "failed" else 1
        standing.cool(now, self._book.cooldown(trial.rule) * factor)
        standing.say("cooling_down", end.reason)

    def _take(self, document: Document) -> None:
        """Use a document's rules; those that are as they were keep how they stand."""
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
