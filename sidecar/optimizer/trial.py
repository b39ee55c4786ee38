"""A change under observation: an experiment with its comparison, or a measure with its guard."""

from __future__ import annotations

from dataclasses import dataclass, field

from sidecar.model.change import Change, Turn, Value
from sidecar.model.outcome import Outcome, Verdict
from sidecar.optimizer.judging import check_times, judge, loss
from sidecar.optimizer.noise import Threshold
from sidecar.optimizer.rules import Rule
from sidecar.signals.history import History


@dataclass(frozen=True, slots=True)
class End:
    """The end of a trial. `after` and `effect_ratio` are None if nothing could be compared."""

    verdict: Verdict
    reason: str
    after: float | None = None
    effect_ratio: float | None = None


@dataclass(slots=True)
class Trial:
    """A change until its outcome. Times are those of ticks; `started_at` is wall clock seconds.

    `before` and `noise` are None for a measure, which has no comparison. `guard_noise` is the
    largest loss that the guard measures without any change, in its signal's unit.
    """

    rule: Rule
    change: Change
    from_: Value | None
    started_at: float
    changed_at: float
    before: float | None
    noise: Threshold | None
    guard_noise: float
    _checks: list[float] = field(init=False)

    def __post_init__(self) -> None:
        guard = self.rule.config.guard
        self._checks = [] if guard is None else check_times(guard, self.settled_at)

    @property
    def turn(self) -> Turn | None:
        """The change, if it can be taken back."""
        return self.change if isinstance(self.change, Turn) else None

    @property
    def settled_at(self) -> float:
        return self.changed_at + self.rule.settle_seconds

    @property
    def ends_at(self) -> float:
        """When all windows after the change are full."""
        expect, guard = self.rule.config.expect, self.rule.config.guard
        return self.settled_at + max(
            0.0 if expect is None else expect.window_seconds,
            0.0 if guard is None else guard.window_seconds,
        )

    def watch(self, history: History, now: float) -> End | None:
        """The end of the trial; None while it is in progress."""
        broken = self._guard_broken(history, now)
        if broken is not None:
            return broken
        return self._end(history) if now >= self.ends_at else None

    def outcome(self, end: End, wall: float) -> Outcome:
        """The record of this trial."""
        config, noise = self.rule.config, self.noise
        turn = self.turn
        return Outcome(
            rule=config.name,
            type=config.type,
            action=config.action,
            knob=None if turn is None else turn.knob,
            from_=self.from_,
            to=None if turn is None else turn.to,
            outcome=end.verdict,
            signal=None if config.expect is None else config.expect.signal,
            before=self.before,
            after=end.after,
            noise=None if noise is None else max(noise.difference, noise.residual),
            effect_ratio=end.effect_ratio,
            reason=end.reason,
            started_at=self.started_at,
            ended_at=wall,
        )

    def _guard_broken(self, history: History, now: float) -> End | None:
        guard = self.rule.config.guard
        while guard is not None and self._checks and now >= self._checks[0]:
            at = self._checks.pop(0)
            before = history.over(
                guard.signal, self.changed_at - guard.window_seconds, self.changed_at
            )
            after = history.over(guard.signal, self.settled_at, at)
            if before is None or after is None:
                continue
            if loss(guard.better, before, after) > max(
                guard.worse_by * abs(before), self.guard_noise
            ):
                reason = f"{guard.signal} went from {before:.4g} to {after:.4g}, against its guard."
                return End("regressed", reason, *self._so_far(history, at))
        return None

    def _end(self, history: History) -> End:
        expect = self.rule.config.expect
        if expect is None and self.turn is None:
            return End("applied", "It was started, and there is nothing to take back.")
        if expect is None or self.before is None or self.noise is None:
            return End("applied", "It stays until its condition has been clear for the cooldown.")
        after = history.over(
            expect.signal, self.settled_at, self.settled_at + expect.window_seconds
        )
        if after is None:
            return End("interrupted", f"Too few readings of {expect.signal} to compare with.")
        found = judge(expect, self.before, after, self.noise)
        return End(found.verdict, found.reason, after, found.effect_ratio)

    def _so_far(self, history: History, at: float) -> tuple[float | None, float | None]:
        """The expected signal at the time when the guard failed, and the effect so far."""
        expect = self.rule.config.expect
        if expect is None or self.before is None or self.noise is None:
            return None, None
        after = history.over(expect.signal, self.settled_at, at)
        if after is None:
            return None, None
        return after, judge(expect, self.before, after, self.noise).effect_ratio
