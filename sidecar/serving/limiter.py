"""How many requests may be under way: found from latency, as congestion control finds a window.

After Gradient2 of Netflix's concurrency-limits (E. Landau, W. Thurston, T. Bozarth: "Performance
Under Load", 2018; github.com/Netflix/concurrency-limits). Once a second

    gradient = usual latency / latency now, within 0.5 and 1
    limit   <- limit + 0.2 * (gradient * limit + room for a queue - limit)

and the limit is left alone while less than half of it is used. What differs: the queue's room is
the root of the limit, so that a large one grows as fast in its measure as a small one. The limit
begins with the most that was in flight when it was switched on, so that switching it on sheds
nothing. The usual latency begins with the mean since the start, since the limiter is switched on
when answers have become slow.
"""

from __future__ import annotations

import math

from sidecar.model.stats import LATENCY_BOUNDS, RequestStats

FLOOR, CEILING = 20, 1024
LEAST_SECONDS = 0.0001
"""What took less has waited for nothing, and says nothing about how much is under way."""
WINDOW_SECONDS = 1.0
WINDOW_REQUESTS = 10
"""A window with fewer says too little."""
USUAL_SHARE = 2 / 601
"""How much one window moves the usual latency: half of it is younger than 200 s."""
SMOOTHING = 0.2
MOST_TIMES_USUAL = 4.0
"""What a single request counts at most: one client that sends its body slowly is no congestion."""


class Limiter:
    """A limit that follows latency. Told of each request's end; the clock is the caller's."""

    def __init__(self, usual_seconds: float | None = None) -> None:
        self.limit = CEILING
        self._usual = usual_seconds
        self._estimate: float | None = None
        self._window_ends = -math.inf
        self._requests = 0
        self._seconds = 0.0
        self._most = 0

    def observe(self, ended_at: float, seconds: float, in_flight: int) -> None:
        """A request has ended after so many seconds, and so many were under way with it."""
        if seconds < LEAST_SECONDS:
            return
        self._requests += 1
        self._seconds += (
            seconds if self._usual is None else min(seconds, MOST_TIMES_USUAL * self._usual)
        )
        self._most = max(self._most, in_flight)
        if ended_at >= self._window_ends:
            self._end_window()
            self._window_ends = ended_at + WINDOW_SECONDS

    def _end_window(self) -> None:
        if self._requests >= WINDOW_REQUESTS:
            self._adjust(self._seconds / self._requests)
        self._requests, self._seconds, self._most = 0, 0.0, 0

    def _adjust(self, seconds: float) -> None:
        usual = seconds if self._usual is None else self._usual
        usual += (seconds - usual) * USUAL_SHARE
        if usual > 2 * seconds:  # what was usual came from a load that is over
            usual *= 0.9
        self._usual = usual
        if self._estimate is None:
            self._estimate = float(self._most)
        elif self._most >= self._estimate / 2:
            gradient = max(0.5, min(1.0, usual / seconds))
            aim = gradient * self._estimate + math.sqrt(self._estimate)
            self._estimate += SMOOTHING * (aim - self._estimate)
        self._estimate = max(FLOOR, min(CEILING, self._estimate))
        self.limit = int(self._estimate)


def usual_seconds(stats: RequestStats) -> float | None:
    """The mean of what requests have taken since the start, of those that waited for something.

    From the histograms, so within half a bucket's width; None before there was any.
    """
    lower, upper = LATENCY_BOUNDS, (*LATENCY_BOUNDS[1:], LATENCY_BOUNDS[-1])
    middles = [0.0, *(math.sqrt(low * high) for low, high in zip(lower, upper, strict=True))]
    waited = LATENCY_BOUNDS.index(LEAST_SECONDS) + 1
    count, total = 0, 0.0
    for latency in stats.latencies().values():
        for middle, requests in zip(middles[waited:], latency.buckets[waited:], strict=True):
            count += requests
            total += requests * middle
    return total / count if count else None
