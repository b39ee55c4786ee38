"""Signals over the last hour, for charts: GET /v1/signals.

It serves the optimizer's history, so a page that was just opened shows a whole hour.
"""

from __future__ import annotations

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
"""Computed before other tasks run: less than a millisecond for a quantile, the slowest kind."""


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
    """Reads a history with a monotonic clock; `wall` is for the times in answers."""

    def __init__(
        self, history: History, *, clock: Clock = time.monotonic, wall: Clock = time.time
    ) -> None:
        self._history = history
        self._clock = clock
        self._wall = wall

    async def course(self, request: Request, query: SignalsQuery) -> Reply:
        """Every step ends at a multiple of its length, so repeated requests get the same steps.

        Steps that have not ended are omitted.
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
                await request.protocol.admission.slices.next()
        body = Course(step_seconds=step, ends=ends, values=values)
        return Reply(200, JSON_HEADER, msgspec.json.encode(body))

    def _ends(self, step: int, since: int) -> list[int]:
        """The ends of the steps that the history covers, in seconds since 1970."""
        history = self._history
        if not math.isfinite(history.last_at):
            return []
        ahead = self._ahead()
        last = math.floor((history.last_at + ahead) / step)
        known_from = max(history.first_at, history.last_at - SPAN_SECONDS) + ahead
        first = max(math.ceil(known_from / step) + 1, since // step + 1, last - MOST_POINTS + 1)
        return [number * step for number in range(first, last + 1)]

    def _value(self, name: str, start: int, end: int) -> float | None:
        """The value from the last reading before the step on: otherwise the growth of a counter up
        to the first reading of a step would be in no step.
        """
        ahead = self._ahead()
        return self._history.over(name, start - ahead - INTERVAL_SECONDS, end - ahead)

    def _ahead(self) -> float:
        """How far the wall clock is ahead of the monotonic clock."""
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
