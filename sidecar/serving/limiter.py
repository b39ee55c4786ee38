"""An adaptive limit on requests in progress, computed from latency as in congestion control.

Based on Gradient2 of Netflix's concurrency-limits (E. Landau, W. Thurston, T. Bozarth:
"Performance Under Load", 2018; github.com/Netflix/concurrency-limits). Once a second

    gradient = usual latency / latency now, within 0.5 and 1
    limit   <- limit + 0.2 * (gradient * limit + room for a queue - limit)

and the limit does not change while less than half of it is used. Differences: the room for a queue
is the square root of the limit, so it scales with the limit. The limit starts at the highest number
of requests in flight in the first window, so that switching it on sheds nothing. The usual latency
starts at the mean since the process started, since the limiter is switched on when replies have
become slow.
"""

from __future__ import annotations

import math

from sidecar.model.stats import LATENCY_BOUNDS, RequestStats

FLOOR, CEILING = 20, 1024
LEAST_SECONDS = 0.0001
"""A faster request did not wait, so its latency says nothing about the load."""
WINDOW_SECONDS = 1.0
WINDOW_REQUESTS = 10
"""A window with fewer requests is ignored."""
USUAL_SHARE = 2 / 601
"""The weight of one window in the usual latency, which gives a half-life of about 200 s."""
SMOOTHING = 0.2
MOST_TIMES_USUAL = 4.0
"""The most that one request counts: a client that sends its body slowly is not congestion."""


class Limiter:
    """A limit that follows latency. The caller reports the end of each request, with its time."""

    def __init__(self, usual_seconds: float | None = None) -> None:
        self.limit = CEILING
        self._usual = usual_seconds
        self._estimate: float | None = None
        self._window_ends = -math.inf
        self._requests = 0
        self._seconds = 0.0
        self._most = 0

    def observe(self, ended_at: float, seconds: float, in_flight: int) -> None:
        """Record a finished request, its duration, and the requests in flight at its end."""
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
        if usual > 2 * seconds:  # the usual latency comes from an earlier load
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
    """The mean latency since the start of all requests of at least LEAST_SECONDS.

    Computed from the histograms, so accurate to half a bucket's width; None without such requests.
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
