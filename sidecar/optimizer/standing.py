"""How one rule stands: since when its condition holds, what it waits for, when it may act again."""

from __future__ import annotations

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
"""How many times its cooldown a rule waits at most, if it does nothing good."""
NEVER = float("inf")


class Cooldown(msgspec.Struct, frozen=True):
    """A cooldown as it outlives a process: until when by the wall clock, and its scale."""

    until: float
    scale: int


@dataclass(slots=True)
class Standing:
    """One rule's state. Times are those of ticks."""

    state: State = "inactive"
    reason: str = "Not evaluated yet."
    holds: bool | None = None
    """Whether the condition was true at the last tick; None where it could not be evaluated."""
    holds_since: float = NEVER
    clear_since: float = NEVER
    """Since when the condition has been false."""
    free_since: float = NEVER
    """Since when it would have been false without the last turn that a measure holds, too."""
    cooling_until: float = float("-inf")
    scale: int = 1
    released_at: float = float("-inf")
    release_scale: int = 1

    def saw(self, *, holds: bool | None, now: float) -> None:
        """Take in what the condition came to."""
        if holds:
            self.holds_since = min(self.holds_since, now)
            self.clear_since = NEVER
        else:
            self.holds_since = NEVER
            if holds is not None:  # what can't be seen is not clear yet
                self.clear_since = min(self.clear_since, now)
        self.holds = holds

    def needs(self, needed: bool | None, now: float) -> None:
        """Take in whether the last turn that a measure holds is still needed."""
        if needed:
            self.free_since = NEVER
        elif needed is not None:
            self.free_since = min(self.free_since, now)

    def forget_times(self) -> None:
        """What held before a jump of the clock says nothing about how long it has held."""
        self.holds_since = self.clear_since = self.free_since = NEVER

    def say(self, state: State, reason: str) -> None:
        self.state, self.reason = state, reason

    def tried(self, verdict: Verdict) -> None:
        """A change of its came to an end. One that did nothing good tries less and less often."""
        if verdict in ("neutral", "regressed"):
            self.scale = min(MOST_SCALE, self.scale * 2)
        elif verdict in ("improved", "applied"):
            self.scale = 1

    def cool(self, now: float, seconds: float) -> None:
        """May not act again before so many seconds, times its scale."""
        self.cooling_until = now + seconds * self.scale

    def cooldown(self, now: float, wall: float) -> Cooldown | None:
        """What of it outlives the process; None where there is nothing."""
        if self.cooling_until <= now and self.scale == 1:
            return None
        return Cooldown(wall + self.cooling_until - now, self.scale)

    def resume(self, cooldown: Cooldown, most_seconds: float, now: float, wall: float) -> None:
        """Go on cooling; for no longer than this times its scale, should the clock be another."""
        remaining = min(cooldown.until - wall, most_seconds * cooldown.scale)
        self.cooling_until, self.scale = now + remaining, cooldown.scale

    def acted(self, cooldown_seconds: float) -> None:
        """It changes something. Where its letting go may have brought that on, what was given back
        having filled up since, it holds for longer.
        """
        if self.holds_since - self.released_at < cooldown_seconds * MOST_SCALE:
            self.release_scale = min(MOST_SCALE, self.release_scale * 2)
        else:
            self.release_scale = max(1, self.release_scale // 2)

    @property
    def quiet_since(self) -> float:
        """Since when the condition has been false with what is in force now."""
        return max(self.clear_since, self.released_at)

    def clear_for(self, cooldown_seconds: float, now: float) -> bool:
        """Whether its condition has been clear for as long as a measure holds on, and would have
        been without its last turn.
        """
        since = max(self.free_since, self.released_at)
        return self.holds is False and now - since >= cooldown_seconds * self.release_scale
