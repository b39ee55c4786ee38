"""The state of one rule: how long its condition has held, what it waits for, its cooldown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import msgspec

from sidecar.model.outcome import Verdict

State = Literal["inactive", "pending", "active", "cooling_down", "unavailable", "disabled"]
STATES: tuple[State, ...] = (
    "inactive",
    "pending",
    "active",
    "cooling_down",
    "unavailable",
    "disabled",
)
MOST_SCALE = 8
"""The largest multiple of its cooldown that a rule waits after changes without a benefit."""
NEVER = float("inf")


class Cooldown(msgspec.Struct, frozen=True):
    """A cooldown as saved for the next process: its end by the wall clock, and its scale."""

    until: float
    scale: int

    @property
    def plausible(self) -> bool:
        """Whether a rule can have had it."""
        return math.isfinite(self.until) and 1 <= self.scale <= MOST_SCALE


@dataclass(slots=True)
class Standing:
    """The state of one rule. Times are those of ticks."""

    state: State = "inactive"
    reason: str = "Not evaluated yet."
    holds: bool | None = None
    """Whether the condition was true at the last tick; None if it could not be evaluated."""
    holds_since: float = NEVER
    clear_since: float = NEVER
    """Since when the condition has been false."""
    free_since: float = NEVER
    """Since when it would have been false without the measure's last held turn, too."""
    cooling_until: float = float("-inf")
    scale: int = 1
    released_at: float = float("-inf")
    release_scale: int = 1

    def saw(self, *, holds: bool | None, now: float) -> None:
        """Record the result of the condition."""
        if holds:
            self.holds_since = min(self.holds_since, now)
            self.clear_since = NEVER
        else:
            self.holds_since = NEVER
            if holds is not None:  # an unknown result is not clear
                self.clear_since = min(self.clear_since, now)
        self.holds = holds

    def needs(self, needed: bool | None, now: float) -> None:
        """Record whether the last turn that a measure holds is still needed."""
        if needed:
            self.free_since = NEVER
        elif needed is not None:
            self.free_since = min(self.free_since, now)

    def forget_times(self) -> None:
        """Restart all durations, which are invalid after a jump of the clock."""
        self.holds_since = self.clear_since = self.free_since = NEVER

    def say(self, state: State, reason: str) -> None:
        self.state, self.reason = state, reason

    def tried(self, verdict: Verdict) -> None:
        """Record a verdict. After a change without a benefit, the rule tries half as often."""
        if verdict in ("neutral", "regressed"):
            self.scale = min(MOST_SCALE, self.scale * 2)
        elif verdict in ("improved", "applied"):
            self.scale = 1

    def cool(self, now: float, seconds: float) -> None:
        """Start a cooldown of `seconds` times the scale."""
        self.cooling_until = now + seconds * self.scale

    def cooldown(self, now: float, wall: float) -> Cooldown | None:
        """The cooldown to save for the next process; None if there is nothing to save."""
        if self.cooling_until <= now and self.scale == 1:
            return None
        return Cooldown(wall + self.cooling_until - now, self.scale)

    def resume(self, cooldown: Cooldown, most_seconds: float, now: float, wall: float) -> None:
        """Resume a saved cooldown, for at most `most_seconds` times its scale, in case the clock
        was set.
        """
        remaining = min(cooldown.until - wall, most_seconds * cooldown.scale)
        self.cooling_until, self.scale = now + remaining, cooldown.scale

    def acted(self, cooldown_seconds: float) -> None:
        """Record a change. If an earlier release may have caused it, since the released room has
        filled again, the rule holds its turns longer.
        """
        if self.holds_since - self.released_at < cooldown_seconds * MOST_SCALE:
            self.release_scale = min(MOST_SCALE, self.release_scale * 2)
        else:
            self.release_scale = max(1, self.release_scale // 2)

    @property
    def quiet_since(self) -> float:
        """Since when the condition has been false with the current values."""
        return max(self.clear_since, self.released_at)

    def clear_for(self, cooldown_seconds: float, now: float) -> bool:
        """Whether the condition has been clear for as long as a measure holds its turns, and would
        have been clear without the last turn too.
        """
        since = max(self.free_since, self.released_at)
        return self.holds is False and now - since >= cooldown_seconds * self.release_scale
