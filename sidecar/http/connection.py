"""One client's connection: what it may take, its protocol errors as problems, and one too many.

Nothing here knows what is asked for: what HTTP leaves open about connections ends here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, cast

import structlog
from aiohttp.http_exceptions import BadHttpMethod, InvalidURLError, LineTooLong
from aiohttp.web_protocol import RequestHandler

from sidecar.http.messages import problem_reply
from sidecar.http.problems import ProblemError, problem_body
from sidecar.model.stats import RequestStats
from sidecar.serving.limits import Buffers, Limits

HEADER_BYTES, MAX_HEADERS = 8190, 128
"""What one line of a request's head may take, and how many header fields there may be."""

LEAST_IDLE_SECONDS = 1.0
"""Below it a client that asks once a second would connect for every request."""
LOOK_SECONDS = 1.0

log = structlog.get_logger("sidecar.http")


class Connection(RequestHandler):
    """A connection that counts what it buffers, and whose protocol errors are problems too."""

    __slots__ = ("_held_bytes", "_stats", "buffers", "limits")

    def __init__(
        self,
        manager: Any,
        *,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        buffers: Buffers,
        stats: RequestStats,
    ) -> None:
        super().__init__(
            manager,
            loop=loop,
            access_log=cast(Any, None),
            logger=cast(Any, log),
            keepalive_timeout=limits.idle_seconds,
            lingering_time=limits.linger_seconds,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=MAX_HEADERS,
            auto_decompress=False,  # bounded, and off the loop: see `messages`
        )
        self.limits = limits
        self.buffers = buffers
        self._stats = stats
        self._held_bytes = 0

    def hold(self, size: int) -> None:
        """Count bytes of a body under way; until `release`, or the connection's end."""
        self._held_bytes += size
        self.buffers.bytes += size

    def release(self) -> None:
        if self._held_bytes:
            self.buffers.bytes -= self._held_bytes
            self._held_bytes = 0

    def shed(self, reason: str) -> None:
        """Count a request that is turned away."""
        self._stats.shed[reason] += 1

    def others_fill_buffers(self) -> bool:
        """Whether others leave no room. One alone may take more: else it never could."""
        return self.buffers.bytes - self._held_bytes >= self.limits.buffered_bytes

    def end_if_idle_since(self, moment: float) -> None:
        """End it as aiohttp does when its own time-out is over, `limits.idle_seconds` later."""
        idle_since = self._next_keepalive_close_time - self.limits.idle_seconds
        if idle_since <= moment and self._waiter is not None and not self._waiter.done():
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.release()

    def handle_error(
        self,
        request: Any,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> Any:
        """The reply to what aiohttp can't parse, and to what escaped from a handler."""
        if isinstance(exc, ConnectionError):
            raise exc  # nobody is left to reply to
        if isinstance(exc, LineTooLong):
            status = 431
            detail = f"The request line and each header take {HEADER_BYTES:,} bytes at most."
        elif isinstance(exc, BadHttpMethod):
            detail = "This is no method of HTTP. If it was TLS: use http://, not https://."
        elif isinstance(exc, InvalidURLError):
            detail = "The path has a character that can't stand there: percent-encode it."
        elif status == 400:
            detail = f"The request is not HTTP as it should be: {_one_line(message)}"
        else:
            detail = "An error of cache-sidecar; its log has more."
        self._stats.observe("unknown", status, 0.0)
        return problem_reply(ProblemError(status, detail, close=True))


class IdleConnections:
    """Ends connections that have been idle for longer than is wanted now.

    aiohttp reads its own time-out once a connection. That one stays as the longest there is; what
    is shorter is held here, by a look at all connections once a second while it is.
    """

    def __init__(self, connections: Collection[Any], most_seconds: float) -> None:
        self._connections = connections
        self._most_seconds = most_seconds
        self._seconds = most_seconds
        self._since = 0.0
        self._next_look: asyncio.TimerHandle | None = None

    def close_after(self, seconds: float) -> None:
        """From the next idle period of each connection on; one that has begun starts again now."""
        seconds = max(LEAST_IDLE_SECONDS, seconds)
        if seconds == self._seconds:
            return
        self._seconds = seconds
        loop = asyncio.get_running_loop()
        self._since = loop.time()
        if self._next_look is None and seconds < self._most_seconds:
            self._next_look = loop.call_later(LOOK_SECONDS, self._look)

    def stop(self) -> None:
        if self._next_look is not None:
            self._next_look.cancel()

    def _look(self) -> None:
        self._next_look = None
        if self._seconds >= self._most_seconds:
            return
        loop = asyncio.get_running_loop()
        begun_before = loop.time() - self._seconds
        if self._since <= begun_before:
            for connection in [*self._connections]:
                connection.end_if_idle_since(begun_before)
        self._next_look = loop.call_later(LOOK_SECONDS, self._look)


class Refusal(asyncio.Protocol):
    """A connection too many: a 503, and the end.

    What its client sends is dropped for a moment: ended at once, the connection would be reset by
    the request that is under way, and the client would see that in place of the reply.
    """

    def __init__(self, limits: Limits, refusals: set[Refusal]) -> None:
        self._limits = limits
        self._refusals = refusals
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        if len(self._refusals) >= self._limits.refusals:
            transport.abort()
            return
        self._refusals.add(self)
        body = problem_body(
            503, f"{self._limits.connections} connections are open; close some, or try again."
        )
        head = (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
        )
        transport.write(head.encode() + body)
        transport.write_eof()
        loop = asyncio.get_running_loop()
        self._end = loop.call_later(self._limits.linger_seconds, transport.abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._refusals.discard(self)
        if self._end is not None:
            self._end.cancel()


def _one_line(message: str | None) -> str:
    """A parser's message without its drawing of where the error is."""
    lines = [line.strip().rstrip(":") for line in (message or "").splitlines()]
    return next((line for line in lines if line and set(line) != {"^"}), "it can't be parsed") + "."
