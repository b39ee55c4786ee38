"""Signals over the last hour, for charts: GET /v1/signals.

The history that rules are judged by is there anyway; a page that was just opened shows an hour.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Collection
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sidecar.api.answers import Course
from sidecar.http.messages import JSON_HEADER, Reply, Request
from sidecar.http.optimizer import refuse_body
from sidecar.http.problems import ProblemError
from sidecar.model.clock import Clock
from sidecar.signals.history import SPAN_SECONDS, History
from sidecar.signals.sampler import INTERVAL_SECONDS

DEFAULT_STEP, LEAST_STEP, MOST_STEP = 10, 5, 60
MOST_SIGNALS = 20
MOST_POINTS = 120
EXAMPLES = [
    "cache.hit_ratio",
    "cache.l1.hits_per_second,memory.resident_bytes",
    "http.get_p99_seconds",
]
"""Of `names`, which are as many as there are signals and combinations of them."""
SLICE_POINTS = 40
"""Before others get a turn: less than a millisecond for a quantile, which takes the longest."""


class SignalsQuery(Struct, frozen=True):
    """Which signals, and when."""

    names: Annotated[
        str,
        Meta(
            description="Names of `signals` in /v1/optimizer, up to 20, separated by commas.",
            extra_json_schema={"enum": EXAMPLES},
        ),
    ]
    step: Annotated[
        int,
        Meta(
            description="Seconds that one value covers. Steps end at multiples of it.",
            ge=LEAST_STEP,
            le=MOST_STEP,
        ),
    ] = DEFAULT_STEP
    since: Annotated[
        int,
        Meta(
            description="Steps that ended by then are left out, in seconds since 1970. There are "
            "120 at most.",
            ge=0,
            le=1 << 53,
        ),
    ] = 0


class SignalsApi:
    """Reads a history whose clock never goes back; `wall` is for what is shown."""

    def __init__(
        self, history: History, *, clock: Clock = time.monotonic, wall: Clock = time.time
    ) -> None:
        self._history = history
        self._clock = clock
        self._wall = wall

    async def course(self, request: Request, query: SignalsQuery) -> Reply:
        """Every step ends at a multiple of its length, so that who asks again gets the same ones.

        Steps that have not ended are not there yet.
        """
        refuse_body(request)
        names, step = _names(query.names, self._history.signals), query.step
        ends = self._ends(step, query.since)
        values: dict[str, list[float | None]] = {}
        for name in names:
            column = values[name] = []
            for start in range(0, len(ends), SLICE_POINTS):
                part = ends[start : start + SLICE_POINTS]
                column += [self._value(name, end - step, end) for end in part]
                await asyncio.sleep(0)
        body = Course(step_seconds=step, ends=ends, values=values)
        return Reply(200, JSON_HEADER, msgspec.json.encode(body))

    def _ends(self, step: int, since: int) -> list[int]:
        """When the steps end that lie within what is known, in seconds since 1970."""
        history = self._history
        if not math.isfinite(history.last_at):
            return []
        ahead = self._ahead()
        last = math.floor((history.last_at + ahead) / step)
        known_from = max(history.first_at, history.last_at - SPAN_SECONDS) + ahead
        first = max(math.ceil(known_from / step) + 1, since // step + 1, last - MOST_POINTS + 1)
        return [number * step for number in range(first, last + 1)]

    def _value(self, name: str, start: int, end: int) -> float | None:
        """From the last reading before the step on: what a counter grew by until its first one
        would be in no step else.
        """
        ahead = self._ahead()
        return self._history.over(name, start - ahead - INTERVAL_SECONDS, end - ahead)

    def _ahead(self) -> float:
        """By how much the wall clock is ahead of the other."""
        return self._wall() - self._clock()


def _names(text: str, known: Collection[str]) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    unknown = [name for name in names if name not in known]
    if unknown:
        detail = f"There is no signal {unknown[0][:80]!r}; see /v1/optimizer. Commas divide them."
        raise ProblemError(400, detail)
    if len(names) > MOST_SIGNALS:
        raise ProblemError(400, f"At most {MOST_SIGNALS} signals can be asked for in one call.")
    return names
