"""The servers: connections, dispatch, and the one place where a request's errors end.

Below aiohttp's router: `web.Server` with requests and replies of our own (see `messages`).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from sidecar.http.messages import Reply, Request, problem_reply
from sidecar.http.problems import ProblemError, problem_body
from sidecar.model.stats import RequestStats

Handler = Callable[[Request], Awaitable[Reply]]

MAX_CONNECTIONS = 2048
"""Beyond it a connection gets a 503. One application in one pod has some hundred at most."""
KEEPALIVE_SECONDS = 75.0
"""How long a connection may be idle, or take to send a request's head."""
LINGER_SECONDS = 1.0
"""How long the rest of a refused body is read and dropped, so that its sender sees the reply."""

log = structlog.get_logger("sidecar.http")


class Router(Protocol):
    """Finds the operation for a request. Raises ProblemError: 404, 405."""

    def find(self, request: Request) -> tuple[str, Handler]: ...


class Server(web.Server):
    """One API on any number of sockets."""

    def __init__(self, protocol: str, router: Router, stats: RequestStats) -> None:
        super().__init__(
            cast(Any, self._serve),
            request_factory=cast(Any, Request),
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGER_SECONDS,
            logger=log,
        )
        self._protocol = protocol
        self._router = router
        self._stats = stats

    def __call__(self) -> RequestHandler:
        if len(self._connections) >= MAX_CONNECTIONS:
            self._stats.shed["connections"] += 1
            return _Refusal(self, loop=self._loop, **self._kwargs)
        return _Connection(self, loop=self._loop, **self._kwargs)

    async def _serve(self, request: Request) -> Reply:
        start = time.perf_counter()
        operation = "unknown"
        try:
            operation, handler = self._router.find(request)
            reply = await handler(request)
        except ProblemError as problem:
            reply = problem_reply(problem)
        except ConnectionError:
            raise
        except Exception:
            log.exception("A request failed", operation=operation, path=request.path)
            reply = problem_reply(ProblemError(500, "An error of cache-sidecar; its log has more."))
        self._stats.observe(operation, reply.status, time.perf_counter() - start)
        return reply


class _Connection(RequestHandler):
    """A connection whose protocol errors are problems too."""

    __slots__ = ()

    def handle_error(
        self,
        request: Any,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> Any:
        detail = message or "The request can't be understood as HTTP."
        return problem_reply(ProblemError(status, detail, close=True))


class _Refusal(_Connection):
    """A connection too many: a 503, and the end."""

    __slots__ = ()

    def connection_made(self, transport: Any) -> None:
        body = problem_body(503, f"More than {MAX_CONNECTIONS} connections are open.")
        head = (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
        )
        transport.write(head.encode() + body)
        transport.close()

    def data_received(self, data: bytes) -> None: ...

    def connection_lost(self, exc: BaseException | None) -> None: ...


class Table:
    """A router over fixed paths: path -> method -> (operation, handler)."""

    def __init__(self, routes: Mapping[str, Mapping[str, tuple[str, Handler]]]) -> None:
        self._routes = routes

    def find(self, request: Request) -> tuple[str, Handler]:
        methods = self._routes.get(request.path)
        if methods is None:
            known = ", ".join(sorted(self._routes))
            raise ProblemError(404, f"There is nothing at {request.path}. There is: {known}.")
        return by_method(methods, request)


def by_method(methods: Mapping[str, tuple[str, Handler]], request: Request) -> tuple[str, Handler]:
    """The operation for a request's method; HEAD is GET without the body."""
    found = methods.get(request.method)
    if found is None and request.method == "HEAD":
        found = methods.get("GET")
    if found is None:
        allowed = ", ".join(sorted(methods))
        detail = f"{request.method} is not possible here; {allowed} is."
        raise ProblemError(405, detail, headers=f"Allow: {allowed}\r\n")
    return found
