"""The trial in progress, the changes in force, and the outcomes.

The process runs one trial at a time, since overlapping trials would distort each other's results.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable

import msgspec

from sidecar.model.change import OneShot
from sidecar.model.outcome import Outcome
from sidecar.optimizer.decisions import Decision
from sidecar.optimizer.evaluation import Ready, Sight
from sidecar.optimizer.noise_monitor import DEFAULT_SETTLE_SECONDS
from sidecar.optimizer.overlay import Held, Overlay
from sidecar.optimizer.relief import Relief
from sidecar.optimizer.rules import Rule
from sidecar.optimizer.trial import End, Trial
from sidecar.signals.history import History

MOST_OUTCOMES = 500


class Trials:
    """Starts and ends trials, and keeps or takes back their changes.

    `on_end` is called with the end of each trial, for the cooldown of its rule.
    """

    def __init__(
        self,
        overlay: Overlay,
        outcomes: Iterable[Outcome],
        on_end: Callable[[Trial, End, float], None],
        now: float,
    ) -> None:
        self.overlay = overlay
        self.current: Trial | None = None
        self.outcomes: deque[Outcome] = deque(outcomes, maxlen=MOST_OUTCOMES)
        """The recent outcomes, oldest first."""
        self.tally: Counter[tuple[str, str, str]] = Counter()
        """The number of outcomes since the start, by rule, type and outcome."""
        self.quiet_since = now
        """When the last change had settled: a quiet window must not start before this time."""
        self._on_end = on_end

    def begin(
        self, rule: Rule, ready: Ready, sight: Sight, now: float, wall: float
    ) -> list[Decision]:
        """Make a change: on trial for an experiment, held for a measure."""
        change = ready.change
        self.current = _trial(rule, ready, now, wall)
        self.touched(now, rule.settle_seconds)
        if isinstance(change, OneShot):
            return [Decision("changed", rule, {"deed": change.name}, one_shot=change)]
        if rule.config.expect is None:
            relief = Relief(rule.condition, sight.values, now + rule.settle_seconds)
            self.overlay.held.append(Held(rule, change, relief))
        else:
            self.overlay.trial = change
        fields = {"knob": change.knob, "from": ready.from_, "to": change.to}
        return [Decision("changed", rule, fields)]

    def rehearse(self, rule: Rule, ready: Ready, now: float, wall: float) -> list[Decision]:
        """Record a change without making it."""
        end = End("dry_run", "Nothing was changed: dry_run is on.")
        return self._record(_trial(rule, ready, now, wall), end, now, wall)

    def spoil(self, rule: Rule, why: str, now: float, wall: float) -> list[Decision]:
        """Record the failure of an action to propose a change."""
        nothing = Ready(OneShot(rule.config.action), None)
        return self._record(_trial(rule, nothing, now, wall), End("failed", why), now, wall)

    def watch(self, history: History, now: float, wall: float) -> list[Decision]:
        """Check whether the trial in progress has ended."""
        end = None if self.current is None else self.current.watch(history, now)
        return [] if end is None else self.end(end, now, wall)

    def fail(self, trial: Trial, why: str, now: float, wall: float) -> list[Decision]:
        """Record that a change could not be made. A one-shot change may fail after its trial has
        ended. This adds a second outcome, since the first one only states that it was started.
        """
        end = End("failed", why)
        if trial is self.current:
            return self.end(end, now, wall)
        return self._record(trial, end, now, wall)

    def interrupt(self, why: str, now: float, wall: float) -> list[Decision]:
        """End the trial in progress, if any. The change of an experiment is taken back; the change
        of a measure stays.
        """
        if self.current is None:
            return []
        measure = self.current.rule.config.expect is None
        return self.end(End("applied" if measure else "interrupted", why), now, wall)

    def end(self, end: End, now: float, wall: float) -> list[Decision]:
        """End the trial in progress: keep its change or take it back."""
        trial, self.current = self.current, None
        if trial is None:
            return []
        decisions = self._record(trial, end, now, wall)
        turn = trial.turn
        if turn is None or end.verdict == "applied":
            return decisions
        self.overlay.take_back(turn)
        if end.verdict == "improved":
            self.overlay.keep(turn)
            return decisions
        self.touched(now, trial.rule.settle_seconds)
        to = self.overlay.knobs[turn.knob].read(self.overlay.effective)
        fields = {"knob": turn.knob, "from": turn.to, "to": to, "reason": end.reason}
        return [*decisions, Decision("rolled_back", trial.rule, fields)]

    def release(self, rule: Rule, now: float) -> list[Decision]:
        """Release the last turn that a measure holds."""
        last = self.overlay.held_by(rule.name)[-1:]
        return self.release_where(lambda held: held in last, now)

    def release_where(self, goes: Callable[[Held], bool], now: float) -> list[Decision]:
        """Release the turns of measures for which `goes` is true."""
        gone = self.overlay.release_where(goes)
        if gone:
            self.touched(now, DEFAULT_SETTLE_SECONDS)
        return [
            Decision("released", held.rule, {"knob": held.turn.knob, "was": held.turn.to})
            for held in gone
        ]

    def touched(self, now: float, settle_seconds: float) -> None:
        """Record a change, whose effect settles after `settle_seconds`."""
        self.quiet_since = max(self.quiet_since, now + settle_seconds)

    def _record(self, trial: Trial, end: End, now: float, wall: float) -> list[Decision]:
        outcome = trial.outcome(end, wall)
        self.outcomes.append(outcome)
        self.tally[outcome.rule, outcome.type, outcome.outcome] += 1
        self._on_end(trial, end, now)
        return [Decision("concluded", trial.rule, msgspec.to_builtins(outcome))]


def _trial(rule: Rule, ready: Ready, now: float, wall: float) -> Trial:
    return Trial(
        rule=rule,
        change=ready.change,
        from_=ready.from_,
        started_at=wall,
        changed_at=now,
        before=ready.before,
        noise=ready.noise,
        guard_noise=ready.guard_noise,
    )
