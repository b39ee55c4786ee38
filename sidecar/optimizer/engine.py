"""The engine: what was measured goes in, what is to be done comes out.

One tick, in this order:

1. A jump of the clock ends what is under way: nothing is compared across it.
2. Noise is measured, and what is to be learned is learned.
3. The trial under way is watched, and perhaps comes to its end.
4. Every `interval` all conditions are evaluated, measures whose condition is clear are let go, and
   the first rule that may act does.

The engine turns knobs in an overlay; whoever ticks it puts `effective` in force afterwards, and
does the deeds that no knob stands for. It has no clock and does no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.config.knobs import Effective
from sidecar.config.values import Document
from sidecar.model.change import Turn
from sidecar.model.outcome import Outcome
from sidecar.optimizer.actions.protocol import Action
from sidecar.optimizer.baselines import Aim, Baselines
from sidecar.optimizer.decisions import Decision, Explanation, Memory
from sidecar.optimizer.looking import Moment, Ready, Sight, hindrance, prepared, proposal, see
from sidecar.optimizer.rules import Rule, compile_rules
from sidecar.optimizer.situation import COOLDOWN_SCALES, STEPS, Situation
from sidecar.optimizer.standing import Cooldown, Standing
from sidecar.optimizer.trial import End, Trial
from sidecar.optimizer.trials import Trials
from sidecar.optimizer.untouched import DEFAULT_SETTLE_SECONDS, Untouched
from sidecar.signals.history import History

MOST_GAP_SECONDS = 10.0
"""Between two ticks, or between the two clocks since the last one: more is a jump."""
LEAST_LOOK_BACK_SECONDS = 5.0
"""A signal in a condition is its value over the last interval, or over this."""


class Engine:
    """The rules of one document at a time.

    `now` is always of one clock that never goes back; `wall` is the wall clock, for records and for
    what outlives the process. Both in seconds.
    """

    def __init__(
        self,
        actions: Mapping[str, Action],
        document: Document,
        memory: Memory,
        now: float,
        wall: float,
    ) -> None:
        self._actions = actions
        self._baselines = Baselines(memory.learned)
        self._untouched = Untouched()
        self._trials = Trials(
            Effective(cache=document.cache), memory.kept, memory.outcomes, self._ended, now
        )
        self._next_look = now
        self._last = (now, wall)
        self.rules: tuple[Rule, ...] = ()
        self.standings: dict[str, Standing] = {}
        """By rule."""
        self.ticks = 0
        """How often all conditions were evaluated."""
        self._take(document)
        self._resume(memory.cooldowns, now, wall)

    # ---- what is known

    @property
    def effective(self) -> Effective:
        """What is to be in force: switched off or in a dry run, what was configured."""
        overlay = self._trials.overlay
        return overlay.effective if self._acts else overlay.configured

    @property
    def configured(self) -> Effective:
        """What would be in force without the optimizer."""
        return self._trials.overlay.configured

    def value(self, history: History, signal: str) -> float | None:
        """A signal as a condition sees it."""
        return history.last(signal, self._look_back_seconds)

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

    def memory(self, now: float, wall: float) -> Memory:
        """What to keep for the next process."""
        cooldowns = {
            name: Cooldown(wall + standing.cooling_until - now, standing.scale)
            for name, standing in self.standings.items()
            if standing.cooling_until > now or standing.scale > 1
        }
        return Memory(
            kept=dict(self._trials.overlay.kept),
            outcomes=self.outcomes,
            cooldowns=cooldowns,
            learned=self._baselines.learned,
        )

    def explain(self, moment: Moment, now: float) -> list[Explanation]:
        """Every rule as it stands, evaluated now; nothing is changed."""
        return [self._explained(rule, moment, now) for rule in self.rules]

    # ---- what happens

    def tick(self, moment: Moment, now: float, *, look: bool = False) -> list[Decision]:
        """Take in what was measured until `now`; `look` evaluates conditions whether due or not."""
        trials, history, wall = self._trials, moment.history, moment.wall
        decisions: list[Decision] = []
        if self._jumped(now, wall):
            decisions += trials.interrupt("The clock jumped.", now, wall)
            trials.quiet_since = now
            for standing in self.standings.values():
                standing.forget_times()
        self._untouched.observe(history, now, trials.quiet_since)
        self._baselines.observe(history, now, wall)
        decisions += trials.watch(history, now, wall)
        if look or now >= self._next_look:
            self._next_look = now + self.config.interval_seconds
            self.ticks += 1
            for rule in self.rules:
                decisions += self._look(rule, self.standings[rule.name], moment, now)
        return decisions

    def failed(self, why: str, now: float, wall: float, rule: str | None = None) -> list[Decision]:
        """What was decided could not be done; `rule` where that was a deed of this rule's."""
        if rule is not None and (self.trial is None or self.trial.rule.name != rule):
            return []  # its trial is over
        return self._trials.end(End("failed", why), now, wall)

    def stop(self, now: float, wall: float) -> list[Decision]:
        """The process ends, and a trial with it."""
        return self._trials.interrupt("The sidecar stopped.", now, wall)

    def reset(self, now: float, wall: float) -> list[Decision]:
        """Drop all that was kept: what was configured is in force, and every rule starts anew."""
        decisions = self._trials.interrupt("What was kept has been reset.", now, wall)
        self._trials.overlay.reset()
        self._trials.touched(now, DEFAULT_SETTLE_SECONDS)
        self.standings = {rule.name: Standing() for rule in self.rules}
        return decisions

    def configure(self, document: Document, now: float, wall: float) -> list[Decision]:
        """Another document. A trial goes on where neither its rule nor its knob is another now."""
        trials = self._trials
        changed = trials.overlay.configure(Effective(cache=document.cache))
        self._take(document)
        decisions: list[Decision] = []
        acting = {rule.name: rule.config for rule in self._running()} if self._acts else {}
        if trials.current is not None:
            turn, rule = trials.current.turn, trials.current.rule
            if turn is not None and turn.knob in changed:
                decisions += trials.interrupt(f"{turn.knob} was configured anew.", now, wall)
            elif acting.get(rule.name) != rule.config:
                decisions += trials.interrupt("Its rule was changed or switched off.", now, wall)
        dropped = trials.overlay.drop(acting)
        if changed or dropped:
            trials.touched(now, DEFAULT_SETTLE_SECONDS)
        if changed:
            for standing in self.standings.values():
                standing.scale = 1
        return decisions

    # ---- looking at one rule

    def _look(self, rule: Rule, standing: Standing, moment: Moment, now: float) -> list[Decision]:
        """Evaluate its condition, say how it stands, and let it act if nothing hinders it."""
        disabled = self._why_disabled(rule)
        if disabled is not None:
            standing.saw(holds=None, now=now)
            standing.say("disabled", disabled)
            return []
        sight = self._see(rule, moment, now)
        standing.saw(holds=sight.holds, now=now)
        decisions = self._release(rule, standing, now)
        hindered = hindrance(rule, standing, sight, self.trial, now)
        if hindered is not None:
            standing.say(*hindered)
            return decisions
        try:
            return [*decisions, *self._act(rule, standing, moment, now)]
        except Exception as error:  # noqa: BLE001  (an action's error is its own: shown, and survived)
            why = f"Its action failed: {error!r}."
            return [*decisions, *self._trials.spoil(rule, why, now, moment.wall)]

    def _act(self, rule: Rule, standing: Standing, moment: Moment, now: float) -> list[Decision]:
        """Make the change that its action proposes, where there is one and it can be compared."""
        trials, wall = self._trials, moment.wall
        ready = self._ready(rule, moment, now)
        decisions: list[Decision] = []
        if isinstance(ready, Ready) and trials.current is not None and self._acts:
            decisions = trials.interrupt(f"{rule.name} came first.", now, wall)
            ready = self._ready(rule, moment, now)  # the knob may stand elsewhere now
        if isinstance(ready, str):
            standing.say("pending", ready)
            return decisions
        decisions.append(Decision("fired", rule, {"condition": rule.config.when}))
        if not self._acts:
            return decisions + trials.rehearse(rule, ready, now, wall)
        standing.acted(now, self._cooldown(rule))
        return decisions + trials.begin(rule, ready, now, wall)

    def _ready(self, rule: Rule, moment: Moment, now: float) -> Ready | str:
        """What the rule would change, and what a trial of it begins with; or why it would not."""
        ready = proposal(rule, self._situation(moment))
        if isinstance(ready, str):
            return ready
        if isinstance(ready.change, Turn):
            holder = self._trials.overlay.holder(ready.change.knob)
            if holder is not None and holder != rule.name:
                return f"{ready.change.knob} is held by {holder}."
        quiet = (now, self._trials.quiet_since)
        return prepared(rule, ready, self._untouched, moment.history, quiet)

    def _release(self, rule: Rule, standing: Standing, now: float) -> list[Decision]:
        """Let go of a measure's last turn, where its condition has been clear for long enough."""
        if self.trial is not None or not standing.clear_for(self._cooldown(rule), now):
            return []
        decisions = self._trials.release(rule, now)
        if decisions:
            standing.released_at = now
        return decisions

    def _explained(self, rule: Rule, moment: Moment, now: float) -> Explanation:
        standing, sight = self.standings[rule.name], self._see(rule, moment, now)
        would_do: Ready | str
        try:
            would_do = self._ready(rule, moment, now)
        except Exception as error:  # noqa: BLE001  (as in `_look`)
            would_do = f"Its action failed: {error!r}."
        free = self._why_disabled(rule) is None and (
            hindrance(rule, standing, sight, self.trial, now) is None
        )
        return Explanation(rule, standing, sight, would_do, free and isinstance(would_do, Ready))

    # ---- inside

    def _ended(self, trial: Trial, end: End, now: float) -> None:
        """A trial's rule cools: longer each time that it did nothing good, twice when it failed."""
        standing = self.standings.get(trial.rule.name)
        if standing is None:  # its rule is gone
            return
        standing.tried(end.verdict)
        factor = 2 if end.verdict == "failed" else 1
        standing.cool(now, self._cooldown(trial.rule) * factor)
        standing.say("cooling_down", end.reason)

    def _take(self, document: Document) -> None:
        """Compile a document's rules; those that are as they were keep how they stand."""
        config = document.optimizer
        before = {rule.name: rule.config for rule in self.rules}
        self.rules = compile_rules(config, self._actions)
        self.config = config
        self._acts = config.enabled and not config.dry_run
        self._baselines.configure(document.baselines)
        self.standings = {
            rule.name: self.standings[rule.name]
            if before.get(rule.name) == rule.config
            else Standing()
            for rule in self.rules
        }
        running = self._running()
        self._untouched.watch(
            [compared for rule in running if (compared := rule.compared) is not None],
            [guarded for rule in running if (guarded := rule.guarded) is not None],
        )

    def _resume(self, cooldowns: Mapping[str, Cooldown], now: float, wall: float) -> None:
        for name, cooldown in cooldowns.items():
            if name in self.standings:
                self.standings[name].cooling_until = now + cooldown.until - wall
                self.standings[name].scale = cooldown.scale

    def _running(self) -> list[Rule]:
        return [rule for rule in self.rules if self._why_disabled(rule) is None]

    def _why_disabled(self, rule: Rule) -> str | None:
        """Why a rule does not run; None where it does."""
        if not self.config.enabled:
            return "The optimizer is switched off."
        if not rule.config.enabled:
            return "It is switched off."
        if not rule.runs_at(self.config.level):
            return f"It runs from level {rule.config.level} on; in force is {self.config.level}."
        return None

    @property
    def _look_back_seconds(self) -> float:
        return max(LEAST_LOOK_BACK_SECONDS, self.config.interval_seconds)

    def _see(self, rule: Rule, moment: Moment, now: float) -> Sight:
        return see(rule, moment.history, self._baselines, self._look_back_seconds, now)

    def _situation(self, moment: Moment) -> Situation:
        return Situation(
            cache=moment.cache,
            effective=self.effective,
            configured=self._trials.overlay.configured,
            signal=lambda name: moment.history.last(name, self._look_back_seconds),
            step=STEPS[self.config.level],
        )

    def _cooldown(self, rule: Rule) -> float:
        return rule.config.cooldown_seconds * COOLDOWN_SCALES[self.config.level]

    def _jumped(self, now: float, wall: float) -> bool:
        (last, last_wall), self._last = self._last, (now, wall)
        passed = now - last
        drift = abs(wall - last_wall - passed)
        return passed < 0 or passed > MOST_GAP_SECONDS or drift > MOST_GAP_SECONDS
