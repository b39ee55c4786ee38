"""Takes all readings, once a second, into the history."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping

from sidecar.process.cgroup import ControlGroup
from sidecar.process.usage import processors
from sidecar.signals.history import History

INTERVAL_SECONDS = 1.0
LAG_SECONDS = 0.1
"""How often it is looked how late the event loop is."""

Readings = Mapping[str, float]


class Sampler:
    """Fills a history.

    `inside` gives what the loop's own objects know, and is called in the loop; `outside` gives what
    the system must be asked for (files below /proc and /sys), and is called in a thread.
    """

    def __init__(
        self,
        history: History,
        group: ControlGroup,
        inside: Callable[[float], Readings],
        outside: Callable[[], Readings],
    ) -> None:
        self._history = history
        self._group = group
        self._inside = inside
        self._outside = outside
        self._allowed_seconds = 0.0
        self._allowed_at: float | None = None

    async def samples(self) -> AsyncIterator[float]:
        """When each sample was taken, a second apart, for ever."""
        while True:
            lag = await _worst_lag()
            yield await self.sample(lag)

    async def sample(self, lag_seconds: float = 0.0) -> float:
        """Take one reading of everything; when it was taken, by the monotonic clock."""
        asked = await asyncio.to_thread(self._ask)
        now = time.monotonic()
        readings = {**asked, **self._inside(now), "cpu.loop_lag_seconds": lag_seconds}
        self._history.push(now, readings)
        return now

    def _ask(self) -> Readings:
        found = {**self._outside(), **self._group.readings()}
        quota = self._group.cpu_quota()
        now = time.monotonic()
        if self._allowed_at is not None:  # a quota may change while we run
            passed = now - self._allowed_at
            self._allowed_seconds += passed * (processors() if quota is None else quota)
        self._allowed_at = now
        found["cpu.allowed_seconds"] = self._allowed_seconds
        return with_shares(found)


def with_shares(readings: dict[str, float]) -> dict[str, float]:
    """The readings with those that are made of two of them."""
    limit = readings.get("memory.limit_bytes")
    used = readings.get("memory.working_set_bytes")
    if limit is not None and used is not None:
        readings["memory.utilization"] = used / limit
        readings["memory.available_bytes"] = max(0.0, limit - used)
    total, free = readings.get("io.disk_total_bytes"), readings.get("io.disk_free_bytes")
    if total and free is not None:
        readings["io.disk_free_ratio"] = free / total
    return readings


async def _worst_lag() -> float:
    """Wait for a second; by how much the event loop was late at worst."""
    loop = asyncio.get_running_loop()
    worst = 0.0
    for _ in range(round(INTERVAL_SECONDS / LAG_SECONDS)):
        due = loop.time() + LAG_SECONDS
        await asyncio.sleep(LAG_SECONDS)
        worst = max(worst, loop.time() - due)
    return worst
