"""Samples a sidecar periodically: its responses, the differences, and whether it is reachable."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

import msgspec

from sidecar.api.answers import Outcomes, Overview
from sidecar.api.entries import HotKey, HotKeys
from sidecar.cli.asking import answered, decoded
from sidecar.cli.client import Address, Connection, Unreachable
from sidecar.cli.counted import Growth, Stats, growth
from sidecar.model.outcome import Outcome

PATIENCE_SECONDS = 5.0
"""After this long without a response the sidecar counts as unreachable."""
MOST_POINTS = 1000

_NOTHING: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class Look:
    """A sample. `at` is wall clock time; `taken_at` is monotonic."""

    at: float
    taken_at: float
    stats: Stats
    stats_body: bytes
    """The totals."""
    optimizer: Overview
    outcomes: list[Outcome]
    hot: list[HotKey]
    """The keys that are read most; empty if the sidecar's version does not tell."""

    def signal(self, name: str) -> float | None:
        """The value of a signal; None if it has no value, or if the sidecar's version lacks it."""
        found = self.optimizer.signals.get(name)
        return None if found is None else found.value


class Watch:
    """A sidecar's latest sample, and since when it is unreachable, if it is."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.latest: Look
        """The latest successful sample; `begin` takes the first."""
        self.growth: Growth | None = None
        """The difference of the last two samples; None if they cannot be compared."""
        self.fresh: list[Outcome] = []
        """New outcomes in the latest sample, oldest first."""
        self.away: str | None = None
        """Why the latest sample failed, in one line."""
        self.away_since: float | None = None
        self.points: deque[Mapping[str, float]] = deque(maxlen=MOST_POINTS)
        """The shares of lookups by tier, for each sample; empty if unknown."""

    async def begin(self) -> None:
        """Take the first sample. Raises Unreachable."""
        self.latest = await self._ask()

    async def look(self) -> None:
        """Take a sample. A failure is recorded and not raised."""
        try:
            found = await self._ask()
        except Unreachable as error:
            self.away_since = self.away_since or time.time()
            self.away, self.growth, self.fresh = str(error), None, []
        else:
            self._take(found)
        self.points.append(_NOTHING if self.growth is None else self.growth.shares)

    def _take(self, found: Look) -> None:
        before, self.latest = self.latest, found
        gone_on = self.away is None and found.optimizer.ticks >= before.optimizer.ticks
        seconds = found.taken_at - before.taken_at
        self.growth = growth(before.stats, found.stats, seconds) if gone_on else None
        newest = max((outcome.ended_at for outcome in before.outcomes), default=0.0)
        self.fresh = [one for one in reversed(found.outcomes) if one.ended_at > newest]
        self.away = self.away_since = None

    async def _ask(self) -> Look:
        """Use a new connection, since an idle one may have been closed between samples."""
        connection = Connection(self.address, PATIENCE_SECONDS)
        try:
            body, stats = await answered(connection, "GET", "/v1/stats", _read_stats)
            taken_at = time.monotonic()
            _, optimizer = await answered(connection, "GET", "/v1/optimizer", _read_overview)
            _, found = await answered(connection, "GET", "/v1/optimizer/outcomes", _read_outcomes)
            hot = await _hot_keys(connection)
        finally:
            connection.close()
        return Look(time.time(), taken_at, stats, body, optimizer, found.outcomes, hot)


async def _hot_keys(connection: Connection) -> list[HotKey]:
    answer = await connection.request("GET", "/v1/hot")
    if answer.status != HTTPStatus.OK:
        return []
    found: HotKeys = decoded(connection, answer.body, _read_hot)
    return found.keys


_read_stats = partial(msgspec.json.decode, type=Stats)
_read_overview = partial(msgspec.json.decode, type=Overview)
_read_outcomes = partial(msgspec.json.decode, type=Outcomes)
_read_hot = partial(msgspec.json.decode, type=HotKeys)
