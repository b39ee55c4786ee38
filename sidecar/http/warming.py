"""The handlers of /v1/warmers: what each does, start a run, cancel it.

The answers are indented JSON, since people read them with curl.
"""

from __future__ import annotations

import msgspec

from sidecar.api.warming import BrokenEntry, WarmerRun, WarmerState, WarmerStates
from sidecar.http.messages import JSON_HEADER, Reply, Request
from sidecar.http.optimizer import refuse_body
from sidecar.http.problems import ProblemError
from sidecar.warmers.figures import Figures
from sidecar.warmers.warmers import (
    AlreadyRunningError,
    NotRunningError,
    Standing,
    UnknownWarmerError,
    Warmers,
)

FOLDER, RUN = "/v1/warmers/", "/run"


class WarmingApi:
    """The handlers of these operations."""

    def __init__(self, warmers: Warmers) -> None:
        self._warmers = warmers

    async def overview(self, request: Request) -> Reply:
        refuse_body(request)
        return _json(200, WarmerStates([_state(each) for each in self._warmers]))

    async def start(self, request: Request) -> Reply:
        refuse_body(request)
        name = _name(request)
        try:
            standing = self._warmers.start(name, "request")
        except UnknownWarmerError:
            raise self._unknown(name) from None
        except AlreadyRunningError:
            detail = f"The warmer {name} is running; wait for its end, or cancel it by DELETE."
            raise ProblemError(409, detail) from None
        return _json(202, _state(standing))

    async def cancel(self, request: Request) -> Reply:
        refuse_body(request)
        name = _name(request)
        try:
            await self._warmers.cancel(name)
        except UnknownWarmerError:
            raise self._unknown(name) from None
        except NotRunningError:
            raise ProblemError(409, f"The warmer {name} is not running.") from None
        return Reply(204)

    def _unknown(self, name: str) -> ProblemError:
        known = ", ".join(each.config.name for each in self._warmers) or "none"
        return ProblemError(404, f"There is no warmer {name[:80]!r}. There is: {known}.")


def _name(request: Request) -> str:
    """The name in the path. Raises ProblemError."""
    name = request.path.removeprefix(FOLDER)
    if not name.endswith(RUN) or name == RUN:
        detail = f"There is nothing at {request.path[:80]}; a warmer's run is at {FOLDER}NAME{RUN}."
        raise ProblemError(404, detail)
    return name.removesuffix(RUN)


def _state(standing: Standing) -> WarmerState:
    config = standing.config
    return WarmerState(
        name=config.name,
        namespace=config.namespace,
        source=config.source,
        state=standing.state,
        on_start=config.on_start,
        schedule=None if config.schedule is None else config.schedule.text,
        next_run_at=standing.next_at,
        run=None if standing.run is None else _run(standing.run),
        last_run=None if standing.last is None else _run(standing.last),
    )


def _run(figures: Figures) -> WarmerRun:
    return WarmerRun(
        cause=figures.cause,
        began_at=figures.began_at,
        ended_at=figures.ended_at,
        result=figures.result,
        reason=figures.reason,
        loaded=figures.loaded,
        skipped=figures.skipped,
        failed=figures.failed,
        read_bytes=figures.read_bytes,
        total_bytes=figures.total_bytes,
        errors=[BrokenEntry(line, error) for line, error in figures.errors],
    )


def _json(status: int, body: msgspec.Struct) -> Reply:
    text = msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"
    return Reply(status, JSON_HEADER, text)
