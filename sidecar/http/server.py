"""The servers: connections, dispatch, and the one place where a request's errors end.

Below aiohttp's router: `web.Server` with requests and replies of our own (see `messages`).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

import structlog
from aiohttp import web

from sidecar.http.connection import Buffers, Connection, Limits, Refusal
from sidecar.http.messages import LARGE_BYTES, Reply, Request, problem_reply
from sidecar.http.problems import ProblemError, retry_later
from sidecar.model.stats import RequestStats

Handler = Callable[[Request], Awaitable[Reply]]

log = structlog.get_logger("sidecar.http")


class Router(Protocol):
    """Finds the operation for a request. Raises ProblemError: 404, 405."""

    def find(self, request: Request) -> tuple[str, Handler]: ...


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
        operation = "unknown"
        try:
            operation, handler = self._router.find(request)
            reply = await handler(request)
            if len(reply.body) > LARGE_BYTES and self._buffers_are_full():
                raise retry_later("Too much is under way; read what you asked for, then try again.")
        except ProblemError as problem:
            reply = problem_reply(problem)
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
        self._stats.observe(operation, reply.status, time.perf_counter() - start)
        return reply

    def _buffers_are_full(self) -> bool:
        full = self._buffers.bytes >= self._limits.buffered_bytes
        if full:
            self._stats.shed["buffers"] += 1
        return full


class Table:
    """A router over fixed paths: path -> method -> (operation, handler)."""

    def __init__(self, routes: Mapping[str, Mapping[str, tuple[str, Handler]]]) -> None:
        self._routes = routes

    def find(self, request: Request) -> tuple[str, Handler]:
        methods = self._routes.get(request.path)
        if methods is None:
            known = ", ".join(sorted(self._routes))
            if request.to_origin_form():
                return self.find(request)
            raise ProblemError(404, f"There is nothing at {request.path[:80]}. There is: {known}.")
        return by_method(methods, request)


def by_method(methods: Mapping[str, tuple[str, Handler]], request: Request) -> tuple[str, Handler]:
    """The operation for a request's method; HEAD is GET without the body."""
    found = methods.get(request.method)
    if found is None and request.method == "HEAD":
        found = methods.get("GET")
    if found is None:
        allowed = ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))
        detail = f"{request.method} is not possible here; {allowed} is."
        raise ProblemError(405, detail, headers=f"Allow: {allowed}\r\n")
    return found
