"""The servers: connections, dispatch, and the one place where a request's errors end.

Below aiohttp's router: `web.Server` with requests and replies of our own (see `messages`).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Protocol, cast

import structlog
from aiohttp import web

from sidecar.api.errors import InvalidRequestError
from sidecar.config.knobs import InFlight
from sidecar.http.connection import Connection, IdleConnections, Refusal
from sidecar.http.messages import LARGE_BYTES, Reply, Request, problem_reply
from sidecar.http.parameters import refuse_parameters
from sidecar.http.problems import ProblemError, retry_later
from sidecar.model.stats import RequestStats
from sidecar.serving.limiter import Limiter, usual_seconds
from sidecar.serving.limits import Buffers, Limits

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

    def __init__(
        self, protocol: str, router: Router, stats: RequestStats, limits: Limits | None = None
    ) -> None:
        super().__init__(cast(Any, self._serve), request_factory=cast(Any, Request))
        self._protocol = protocol
        self._router = router
        self._stats = stats
        self._limits = limits or Limits()
        self._buffers = Buffers()
        self._refusals: set[Refusal] = set()
        self._limiter: Limiter | None = None
        self._idle = IdleConnections(self._connections, self._limits.idle_seconds)

    def tune(self, *, in_flight: InFlight, keepalive_seconds: float) -> None:
        """Bound what is under way by its latency, or not at all; close connections that have been
        idle for so long, which is 1 s at least and the server's own limit at most.
        """
        if in_flight == "unlimited":
            self._limiter = None
        elif self._limiter is None:
            self._limiter = Limiter(usual_seconds(self._stats))
        self._idle.close_after(keepalive_seconds)

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  (aiohttp's)
        self._idle.stop()
        await super().shutdown(timeout)

    @property
    def buffered_bytes(self) -> int:
        """What bodies under way take now, in both directions."""
        return self._buffers.bytes

    def __call__(self) -> Any:
        if len(self._connections) >= self._limits.connections:
            self._stats.shed["connections"] += 1
            return Refusal(self._limits, self._refusals)
        return Connection(
            self,
            loop=self._loop,
            limits=self._limits,
            buffers=self._buffers,
            stats=self._stats,
        )

    async def _serve(self, request: Request) -> Reply:
        start = time.perf_counter()
        stats = self._stats
        in_flight = stats.in_flight = stats.in_flight + 1
        if in_flight > stats.most_in_flight:  # noqa: PLR1730  (a call would cost more than the rest)
            stats.most_in_flight = in_flight
        operation = "unknown"
        try:
            operation, handler = self._router.find(request)
            if self._limiter is not None:
                self._stay_within(self._limiter, request)
            reply = await handler(request)
            if len(reply.body) > LARGE_BYTES and self._buffers_are_full():
                raise retry_later("Too much is under way; read what you asked for, then try again.")
        except ProblemError as problem:
            reply = problem_reply(problem)
        except InvalidRequestError as error:
            reply = problem_reply(ProblemError(400, error.detail))
        except ConnectionError:
            raise
        except Exception:
            log.exception(
                "A request failed",
                protocol=self._protocol,
                operation=operation,
                path=request.path,
            )
            reply = problem_reply(ProblemError(500, "An error of cache-sidecar; its log has more."))
        finally:
            stats.in_flight -= 1
        ended_at = time.perf_counter()
        stats.observe(operation, reply.status, ended_at - start)
        if self._limiter is not None:
            self._limiter.observe(ended_at, ended_at - start, stats.in_flight + 1)
        return reply

    def _stay_within(self, limiter: Limiter, request: Request) -> None:
        """Turn a request away that would wait behind too many. A hit in memory never does: to
        answer it costs no more than to refuse it.
        """
        if self._stats.in_flight > limiter.limit and self._router.waits(request):
            self._stats.shed["in_flight"] += 1
            raise retry_later(
                f"{limiter.limit} requests are under way, and more would only wait; try again."
            )

    def _buffers_are_full(self) -> bool:
        full = self._buffers.bytes >= self._limits.buffered_bytes
        if full:
            self._stats.shed["buffers"] += 1
        return full


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
