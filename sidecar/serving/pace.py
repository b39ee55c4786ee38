"""A rate that is not exceeded for long."""

from __future__ import annotations


class Pace:
    """A rate, and how many may come at once (the generic cell rate algorithm of ITU-T I.371)."""

    def __init__(self, per_second: float, at_once: int) -> None:
        self._seconds = 1 / per_second
        self._ahead_seconds = at_once / per_second
        self._paid_until = 0.0

    def take(self, now: float) -> float:
        """Count one; how many seconds to pause before the next."""
        self._paid_until = max(now, self._paid_until) + self._seconds
        return max(0.0, self._paid_until - now - self._ahead_seconds)
