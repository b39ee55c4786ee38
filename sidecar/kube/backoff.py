"""How long to wait before the next request to the API server. Pure: time is a parameter."""

from __future__ import annotations

import random

FIRST_SECONDS = 1.0
MOST_SECONDS = 45.0
"""The time over which the requests of all pods are spread when the API server returns."""
ENDED_SECONDS = 10.0
"""The same when a server ends all watches, since others, or its successor, are then ready."""
QUIET_SECONDS = 30.0
"""A request that lasted this long did not fail: the next wait is short again."""


class Backoff:
    """Exponential back-off with full jitter, for one of thousands of clients of the same object.

    Every wait is random between 0 and a ceiling (Brooker, "Exponential Backoff and Jitter", 2015),
    which doubles from FIRST_SECONDS to MOST_SECONDS. A failure that all clients notice at the same
    moment, such as a server that went away, has the highest ceiling at once: with a short first
    wait, all clients would reconnect together.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._ceiling = FIRST_SECONDS
        self._resumed_at = float("-inf")

    def wait_seconds(
        self, now: float, *, shared: bool, ended: bool = False, at_least: float = 0.0
    ) -> float:
        """The wait after a request that ended at `now`, in seconds of a monotonic clock.

        `shared` if all clients see the same failure at the same moment; `ended` if nothing failed,
        but the server ended the watches of all. `at_least` is the wait that the server requested,
        to which the jitter is added.
        """
        if now - self._resumed_at >= QUIET_SECONDS:
            self._ceiling = FIRST_SECONDS
        if shared:
            self._ceiling = MOST_SECONDS
        ceiling = max(self._ceiling, ENDED_SECONDS) if ended else self._ceiling
        wait = at_least + self._rng.uniform(0, ceiling)
        self._ceiling = min(MOST_SECONDS, 2 * self._ceiling)
        self._resumed_at = now + wait
        return wait
