"""How fast a run may go: below its rates, and below live requests.

Each batch is followed by a rest in proportion to its duration, so that a run takes a share of the
event loop and of L3. Whether that is too much is measured: from time to time the run pauses for a
moment, in which the latency of GETs is that without it. While a larger part of them is slower than
that allows, the share is halved; else it grows again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from sidecar.config.values import RateConfig
from sidecar.model.clock import Clock
from sidecar.model.stats import LATENCY_BOUNDS, RequestStats
from sidecar.store.pace import rest_seconds

LARGEST_SHARE, LEAST_SHARE = 0.5, 0.01
"""Of the time."""
PAUSE_SECONDS, WINDOW_SECONDS = 0.2, 0.2
BETWEEN_PAUSES_SECONDS = 5.0
FEWEST_READS = 50
"""With fewer in a window, nothing is concluded from their latency."""
QUIET_PART, WORSE_PART = 0.01, 0.02
"""Without the run, so many GETs are slower than the bound; with it, more than so many are too many.
"""
FASTER, SLOWER = 1.25, 0.5
READS = frozenset({"get", "mget"})

Counts = tuple[int, ...]
Sleep = Callable[[float], Awaitable[object]]


class Meter:
    """A rate: what was taken is paid for by waiting."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._paid_until = 0.0

    def take(self, count: int, now: float) -> float:
        """Count so many; how many seconds to pause then."""
        self._paid_until = max(now, self._paid_until) + count / self._per_second
        return self._paid_until - now


class Pacing:
    """The pacing of one run. `stats` are the requests of the protocols that have GETs."""

    def __init__(
        self,
        rate: RateConfig,
        stats: Sequence[RequestStats],
        monotonic: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._sleep = sleep
        self._entries = Meter(rate.entries_per_second)
        self._bytes = Meter(rate.bytes_per_second)
        self._reads = Reads(stats)
        self._monotonic = monotonic
        self._share = LARGEST_SHARE
        self._pause_at = self._judge_at = monotonic()

    @property
    def share(self) -> float:
        """The share of the time that the run takes at most."""
        return self._share

    async def pay_bytes(self, count: int) -> None:
        """For what was read, whether it is loaded or not."""
        await self._sleep(self._bytes.take(count, self._monotonic()))

    async def rest(self, entries: int, worked_seconds: float, pace: float) -> None:
        """After a batch. `pace` is that of all work in the background."""
        now = self._monotonic()
        seconds = rest_seconds(worked_seconds, self._share * min(1.0, pace))
        await self._sleep(max(seconds, self._entries.take(entries, now)))
        now = self._monotonic()
        if now >= self._pause_at:
            self._reads.begin()
            await self._sleep(PAUSE_SECONDS)
            self._reads.end_quiet()
            now = self._monotonic()
            self._pause_at = now + BETWEEN_PAUSES_SECONDS
        elif now >= self._judge_at:
            factor = SLOWER if self._reads.are_slower() else FASTER
            self._share = min(LARGEST_SHARE, max(LEAST_SHARE, self._share * factor))
        else:
            return
        self._reads.begin()
        self._judge_at = now + WINDOW_SECONDS


class Reads:
    """The latencies of GETs in a window, from `begin` on."""

    def __init__(self, stats: Sequence[RequestStats]) -> None:
        self._stats = stats
        self._before = self._counts()
        self._bound: int | None = None
        """The bucket above which few of them are without the run."""

    def begin(self) -> None:
        self._before = self._counts()

    def end_quiet(self) -> None:
        """The window was one without the run. With few GETs in it, the last bound stays."""
        counts = self._since()
        total = sum(counts)
        if total < FEWEST_READS:
            return
        slower = total
        for bucket, count in enumerate(counts):
            slower -= count
            if slower <= QUIET_PART * total:
                self._bound = bucket
                return

    def are_slower(self) -> bool:
        """Whether too many in the window are above the bound."""
        counts = self._since()
        total = sum(counts)
        if self._bound is None or total < FEWEST_READS:
            return False
        return sum(counts[self._bound + 1 :]) > WORSE_PART * total

    def _since(self) -> Counts:
        return tuple(now - then for now, then in zip(self._counts(), self._before, strict=True))

    def _counts(self) -> Counts:
        sums = [0] * (len(LATENCY_BOUNDS) + 1)
        for stats in self._stats:
            for (operation, _), latency in stats.answered.items():
                if operation in READS:
                    sums = [a + b for a, b in zip(sums, latency.buckets, strict=True)]
        return tuple(sums)
