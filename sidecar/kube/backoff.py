"""How long to wait before the next request to the API server. Pure: it is told the time."""

from __future__ import annotations

import random

FIRST_SECONDS = 1.0
MOST_SECONDS = 45.0
"""Over this long the load of all pods is spread when their API server comes back."""
QUIET_SECONDS = 30.0
"""Whatever lasted this long after a wait was no failure: the next wait is a short one again."""


class Backoff:
    """Exponential back-off with full jitter, for one of thousands that watch the same object.

    Every wait is random between nothing and a ceiling (Brooker, "Exponential Backoff and Jitter",
    2015), which doubles from FIRST_SECONDS to MOST_SECONDS. What everybody notices at the same
    moment, a server that went away, has the highest ceiling at once: with a short first wait, all
    of them would come back together, however long the later ones are.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._ceiling = FIRST_SECONDS
        self._resumed_at = float("-inf")

    def wait_seconds(self, now: float, *, shared: bool, at_least: float = 0.0) -> float:
        """The wait after something has ended at `now`, in seconds of a clock that never goes back.

        `shared` where all who watch see the same end at the same moment; `at_least` is what the
        server itself asked for, to which the jitter is added.
        """
        if now - self._resumed_at >= QUIET_SECONDS:
            self._ceiling = FIRST_SECONDS
        if shared:
            self._ceiling = MOST_SECONDS
        wait = at_least + self._rng.uniform(0, self._ceiling)
        self._ceiling = min(MOST_SECONDS, 2 * self._ceiling)
        self._resumed_at = now + wait
        return wait
