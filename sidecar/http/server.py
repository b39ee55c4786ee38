"""The servers: connections, dispatch, and the one place that handles a request's errors.

Built on `web.Server`, below aiohttp's router, with our own requests and replies (see `messages`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, cast

import structlog
from aiohttp import HttpVersion10, HttpVersion11, web

from sidecar.api.errors import RequestError, TooLateError, UnavailableError
from sidecar.http.connection import Connection, PacedConnection, Refusal
from sidecar.http.messages import (
    Reply,
    Request,
    internal_error,
    memory_of,
    problem_reply,
)
from sidecar.http.pipeline import Take, leave_all
from sidecar.http.problems import ProblemError, problem_of
from sidecar.http.repeated import Repeated
from sidecar.http.routing import Found
from sidecar.serving.admission import Admission
from sidecar.serving.idle import IdleConnections
from sidecar.serving.limiter import Limiter
from sidecar.serving.room import Room

log = structlog.get_logger("sidecar.http")


class Router(Protocol):
    """Finds the operation for a request."""

    def find(self, request: Request) -> Found:
        """Raises ProblemError: 404, 405, or the request is not for this server."""


class Server(web.Server):
    """Serves one API on any number of sockets."""

    def __init__(
        self,
        protocol: str,
        router: Router,
        admission: Admission,
        take: Take = leave_all,
    ) -> None:
        """`take` answers requests that need no task, see `pipeline`."""
        super().__init__(cast(Any, self._serve), request_factory=cast(Any, Request))
        self._protocol = protocol
        self._find = router.find  # bound once: each request calls it
        self._admission = admission
        self._take = take
        self._repeated = Repeated()
        self._idle = IdleConnections(cast(Any, self._connections), admission)
        self._room = Room(cast(Any, self._connections), admission.limits)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  (aiohttp's)
        self._idle.stop()
        await super().shutdown(timeout)

    def __call__(self) -> Any:
        if self._admission.admits_connection(self._room.make):
            kind = PacedConnection if self._admission.limits.pace_seconds else Connection
            return kind(
                self,
                loop=self._loop,
                admission=self._admission,
                take=self._take,
                repeated=self._repeated,
            )
        return Refusal(self._admission)

    async def _serve(self, request: Request) -> Reply:
        admission = self._admission
        operation = "unknown"
        began_at = admission.begin()
        try:
            if not HttpVersion10 <= request.message.version <= HttpVersion11:
                raise ProblemError(505, "This server speaks HTTP/1.1 and HTTP/1.0.", close=True)
            operation, handle, waits = self._find(request)
            if admission.limiter is not None:
                self._stay_within_limit(admission.limiter, partial(waits, request))
            reply = await handle(request)
            if len(reply.body) > request.protocol.uncounted_bytes:
                await request.protocol.reserve(memory_of(len(reply.body)))
        except ProblemError as problem:
            reply = problem_reply(problem)
        except RequestError as error:
            if isinstance(error, TooLateError):
                admission.stats.shed["late"] += 1
                if request.payload.is_eof():  # else the rest of its body is read, and dropped
                    request.protocol.rest_late()
            reply = problem_reply(problem_of(error))
        except (ConnectionError, asyncio.CancelledError):
            admission.end(operation, None, began_at)
            raise
        except Exception:
            log.exception(
                "A request failed",
                protocol=self._protocol,
                operation=operation,
                path=request.path,
            )
            reply = internal_error()
        admission.end(operation, reply.status, began_at)
        return reply

    def _stay_within_limit(self, limiter: Limiter, waits: Callable[[], bool]) -> None:
        if not self._admission.admits_request(waits):
            raise UnavailableError(
                f"{limiter.limit} requests are in progress, and more would only wait; try again."
            )
