"""The servers: connections, dispatch, and the one place where a request's errors end.

Below aiohttp's router: `web.Server` with requests and replies of our own (see `messages`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, Protocol, cast

import structlog
from aiohttp import web

from sidecar.api.errors import InvalidRequestError
from sidecar.http.connection import Connection, Refusal
from sidecar.http.messages import LARGE_BYTES, Reply, Request, problem_reply
from sidecar.http.parameters import refuse_parameters
from sidecar.http.problems import ProblemError, retry_later
from sidecar.serving.admission import Admission
from sidecar.serving.idle import IdleConnections
from sidecar.serving.limiter import Limiter

Handler = Callable[[Request], Awaitable[Reply]]

log = structlog.get_logger("sidecar.http")


class Router(Protocol):
    """Finds the operation for a request."""

    def find(self, request: Request) -> tuple[str, Handler]:
        """The operation's name and its handler. Raises ProblemError: 404, 405."""

    def waits(self, request: Request) -> bool:
        """Whether to answer may mean to wait for something: asked only where too much does."""


class Server(web.Server):
    """One API on any number of sockets."""

    def __init__(self, protocol: str, router: Router, admission: Admission) -> None:
        super().__init__(cast(Any, self._serve), request_factory=cast(Any, Request))
        self._protocol = protocol
        self._find, self._waits = router.find, router.waits  # bound once: each request calls them
        self._admission = admission
        self._idle = IdleConnections(cast(Any, self._connections), admission)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  (aiohttp's)
        self._idle.stop()
        await super().shutdown(timeout)

    def __call__(self) -> Any:
        if self._admission.admits_connection():
            return Connection(self, loop=self._loop, admission=self._admission)
        return Refusal(self._admission)

    async def _serve(self, request: Request) -> Reply:
        admission = self._admission
        operation = "unknown"
        began_at = admission.begin()
        try:
            operation, handler = self._find(request)
            if admission.limiter is not None:
                self._stay_within_limit(admission.limiter, request)
            reply = await handler(request)
            if len(reply.body) > LARGE_BYTES and not admission.admits_bytes():
                raise retry_later("Too much is under way; read what you asked for, then try again.")
        except ProblemError as problem:
            reply = problem_reply(problem)
        except InvalidRequestError as error:
            reply = problem_reply(ProblemError(400, error.detail))
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
            reply = problem_reply(ProblemError(500, "An error of cache-sidecar; its log has more."))
        admission.end(operation, reply.status, began_at)
        return reply

    def _stay_within_limit(self, limiter: Limiter, request: Request) -> None:
        if not self._admission.admits_request(partial(self._waits, request)):
            raise retry_later(
                f"{limiter.limit} requests are under way, and more would only wait; try again."
            )


class Table:
    """A router over fixed paths: path -> method -> (operation, handler).

    `waiting` are the paths that may be turned away where too much is under way, `parametrized`
    those that take query parameters; a query is refused on every other path.
    """

    def __init__(
        self,
        routes: Mapping[str, Mapping[str, tuple[str, Handler]]],
        waiting: Collection[str] = (),
        parametrized: Collection[str] = (),
    ) -> None:
        self._routes = routes
        self._waiting = waiting
        self._parametrized = parametrized

    def find(self, request: Request) -> tuple[str, Handler]:
        methods = self._routes.get(request.path)
        if methods is None:
            known = ", ".join(sorted(self._routes))
            if request.to_origin_form():
                return self.find(request)
            raise ProblemError(404, f"There is nothing at {request.path[:80]}. There is: {known}.")
        takes_query = request.path in self._parametrized
        return by_method(methods, request, takes_query=takes_query)

    def waits(self, request: Request) -> bool:
        return request.path in self._waiting


def by_method(
    methods: Mapping[str, tuple[str, Handler]], request: Request, *, takes_query: bool = False
) -> tuple[str, Handler]:
    """The operation for a request's method; HEAD is GET without the body.

    Its handler refuses the query where the route takes none.
    """
    found = methods.get(request.method)
    if found is None and request.method == "HEAD":
        found = methods.get("GET")
    if found is None:
        allowed = ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))
        detail = f"{request.method} is not possible here; {allowed} is."
        raise ProblemError(405, detail, headers=f"Allow: {allowed}\r\n")
    if request.query and not takes_query:
        return found[0], refuse_parameters
    return found
