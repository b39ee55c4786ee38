"""What INFO counts: since the start, or since CONFIG RESETSTAT. Metrics are never reset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from sidecar.config.values import TiersConfig
from sidecar.model.clock import Clock
from sidecar.model.entry import L1, L2, L3
from sidecar.model.stats import Latency, RequestStats, StoreStats

FAILURES = 400
"""The lowest status of a command that was answered with an error (but for MISS)."""
MISS = 404
RATE_SECONDS = 1.0


class Calls(NamedTuple):
    """Of one command."""

    calls: int
    failed: int
    microseconds: int


class Counts:
    """Counters of the commands, the connections and the keys."""

    def __init__(
        self,
        cache: StoreStats,
        requests: RequestStats,
        clock: Clock,
        tiers: Callable[[], TiersConfig],
    ) -> None:
        self._tiers = tiers
        self._cache = cache
        self._requests = requests
        self._clock = clock
        self.connections = 0
        """That were accepted since the start."""
        self._base: Counter[str] = Counter()
        self._commands_base: dict[str, Calls] = {}
        self._rated_at = clock()
        self._rated = 0
        self._rate = 0.0

    def reset(self) -> None:
        """Count from zero."""
        self._base = self._all()
        self._commands_base = self._commands()

    def totals(self) -> Counter[str]:
        """By the names of INFO's fields."""
        totals = self._all()
        totals.subtract(self._base)
        return totals

    def commands(self) -> dict[str, Calls]:
        """By name, in their order. Parts of a command count as that."""
        found: dict[str, Calls] = {}
        for name, now in sorted(self._commands().items()):
            base = self._commands_base.get(name, Calls(0, 0, 0))
            calls = Calls(*(new - old for new, old in zip(now, base, strict=True)))
            if calls.calls:
                found[name] = calls
        return found

    def rate(self) -> float:
        """Commands a second since this was asked last, at least RATE_SECONDS ago."""
        now, commands = self._clock(), self._all()["total_commands_processed"]
        seconds = now - self._rated_at
        if seconds >= RATE_SECONDS:
            self._rate = (commands - self._rated) / seconds
            self._rated_at, self._rated = now, commands
        return self._rate

    def _all(self) -> Counter[str]:
        stats, requests = self._cache, self._requests
        commands = self._commands().values()
        tiers = self._tiers()
        last = next((tier for tier in (L3, L2, L1) if tiers.of(tier).enabled), L1)
        return Counter(
            {
                "total_connections_received": self.connections,
                "total_commands_processed": sum(each.calls for each in commands),
                "rejected_connections": requests.shed["connections"],
                "expired_keys": sum(tier.expirations for tier in stats.tiers.values()),
                "evicted_keys": stats.tiers[last].evictions,  # others are in the next tier still
                "keyspace_hits": stats.hits,
                "keyspace_misses": stats.misses,
                "total_error_replies": sum(each.failed for each in commands),
            }
        )

    def _commands(self) -> dict[str, Calls]:
        found: dict[str, Calls] = {}
        for (name, status), latency in self._requests.answered.items():
            calls, failed, microseconds = found.get(name, Calls(0, 0, 0))
            found[name] = Calls(
                calls + latency.count,
                failed + _failed(status, latency),
                microseconds + round(latency.sum_seconds * 1e6),
            )
        return found


def _failed(status: int, latency: Latency) -> int:
    return latency.count if status >= FAILURES and status != MISS else 0
