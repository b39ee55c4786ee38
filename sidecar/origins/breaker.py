"""A circuit breaker: after failures in a row it gives a server time to recover. Pure: time is a
parameter, in seconds of a monotonic clock.

    state      | admits          | a failure                        | a success
    closed     | all             | the FAILURES-th in a row: open   | the row begins anew
    open       | none, for a while; then half-open
    half-open  | one, the trial  | open, for twice as long          | closed

(Nygard, "Release It!", 2007, Stability Patterns.) Calls overlap: what was admitted in an earlier
state says nothing about the current one, so its outcome is not counted. If it were, the calls that
were in flight when the breaker opened would double its wait, each of them.
"""

from __future__ import annotations

from typing import Literal

FAILURES = 5
"""In a row. Fewer are not rare where a server restarts."""
FIRST_SECONDS = 0.5
MOST_SECONDS = 30.0
"""A server that is back is noticed within this time."""

State = Literal["closed", "open", "half_open"]
STATES: tuple[State, ...] = ("closed", "open", "half_open")


class Breaker:
    """Each call begins with `begin`, and ends with one of `succeeded`, `failed` and `abandoned`."""

    __slots__ = ("_failures", "_is_on_trial", "_reopens_at", "_turn", "_wait_seconds", "openings")

    def __init__(self) -> None:
        self._turn = 0
        """Counts the changes of state."""
        self._failures = 0
        self._wait_seconds = 0.0
        """0 while it is closed."""
        self._reopens_at = 0.0
        self._is_on_trial = False
        self.openings = 0

    def state(self, now: float) -> State:
        if not self._wait_seconds:
            return "closed"
        return "half_open" if self._is_on_trial or now >= self._reopens_at else "open"

    def seconds_left(self, now: float) -> float:
        """The time until it admits a call; 0 if it may admit one now."""
        return max(0.0, self._reopens_at - now) if self._wait_seconds else 0.0

    def begin(self, now: float) -> int | None:
        """The turn of a call, which its end has to name; None if the call is not admitted."""
        if self._wait_seconds:
            if self._is_on_trial or now < self._reopens_at:
                return None
            self._is_on_trial = True
        return self._turn

    def succeeded(self, turn: int) -> None:
        if turn == self._turn:
            self._failures = 0
            if self._wait_seconds:
                self._change(0.0)

    def failed(self, turn: int, now: float) -> None:
        if turn != self._turn:
            return
        self._failures += 1
        if self._wait_seconds or self._failures >= FAILURES:
            wait = min(MOST_SECONDS, 2 * self._wait_seconds or FIRST_SECONDS)
            self._reopens_at = now + wait
            self.openings += 1
            self._change(wait)

    def abandoned(self, turn: int) -> None:
        """The call ended without an outcome, so that another may be the trial."""
        if turn == self._turn:
            self._is_on_trial = False

    def _change(self, wait_seconds: float) -> None:
        self._turn += 1
        self._failures = 0
        self._wait_seconds = wait_seconds
        self._is_on_trial = False
