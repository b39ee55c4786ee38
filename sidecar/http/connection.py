"""A client's connection: its limits, its protocol errors as problems, and its refusal.

This module does not know the operations of the API. One file of more than 300 lines, since what a
connection holds of the memory has to be given back wherever it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import uniform
from typing import Any, cast

import structlog
from aiohttp import HttpVersion11
from aiohttp.http_exceptions import BadHttpMethod, InvalidURLError, LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from sidecar.api.errors import TooLateError
from sidecar.api.leases import MOST_BOUND
from sidecar.http.messages import (
    LARGE_BYTES,
    Reply,
    draining,
    head_of,
    problem_reply,
    too_many_bytes,
)
from sidecar.http.pipeline import Pipeline, Take
from sidecar.http.problems import PROBLEM_HEADERS, ProblemError, problem_body, problem_of
from sidecar.http.repeated import Repeated
from sidecar.http.wording import HEAD_BYTES, MAX_HEADERS, of_head
from sidecar.serving.admission import Admission
from sidecar.serving.kernel import bound_kernel_buffer

REST_SECONDS = (0.65, 0.95)
"""How long a client that was refused is not read: a little less than it was asked to wait. Many are
refused at one moment, and should not come back at one.
"""

PIECE_SECONDS = 0.1
"""How often it is looked at whether requests that came in one large piece have been answered."""

log = structlog.get_logger("sidecar.http")


def unavailable(detail: str, headers: str = "") -> bytes:
    """A 503 that is made in advance: it needs no Date (RFC 9110, section 6.6.1)."""
    body = problem_body(503, detail)
    head = (
        f"HTTP/1.1 503 Service Unavailable\r\n{PROBLEM_HEADERS}"
        f"Content-Length: {len(body)}\r\nRetry-After: 1\r\n{headers}\r\n"
    )
    return head.encode() + body


_TOO_LATE = unavailable(str(TooLateError()))


class Connection(Pipeline):
    """A connection that takes memory from the budget, and reports protocol errors as problems."""

    __slots__ = (
        "_closing_since",
        "_ends",
        "_gave_way",
        "_held_bytes",
        "_link",
        "_piece_bytes",
        "_waiting_bytes",
        "admission",
    )

    def __init__(
        self,
        manager: Any,
        *,
        loop: asyncio.AbstractEventLoop,
        admission: Admission,
        take: Take,
        repeated: Repeated,
    ) -> None:
        limits = admission.limits
        super().__init__(
            manager,
            take=take,
            repeated=repeated,
            turns=admission.turns,
            loop=loop,
            access_log=cast(Any, None),
            logger=cast(Any, log),
            keepalive_timeout=limits.idle_seconds,
            lingering_time=limits.linger_seconds,
            max_line_size=HEAD_BYTES,
            max_field_size=HEAD_BYTES,
            max_headers=MAX_HEADERS,
            auto_decompress=False,  # bounded, and off the loop: see `codings`
        )
        self.admission = admission
        self._held_bytes = 0
        self._waiting_bytes = 0
        self._piece_bytes = 0
        self._gave_way = False
        self._link: Any = None  # the transport, also while it is closing
        self._closing_since: float | None = None
        self._ends: tuple[Callable[[], None], ...] = ()

    def refused(self, message: Any, payload: StreamReader | bytes) -> bool:
        """Refuse a request for which there is no time, unless its body is still arriving. The
        client has been asked to come back later: until then it is not read.
        """
        if type(message) is not RawRequestMessage:  # it is a parser's error
            return False
        if not isinstance(payload, bytes) and not payload.is_eof():
            return False
        stats = self.admission.stats
        stats.shed["late"] += 1
        stats.observe("unknown", 503, 0.0)
        is_usual = message.version is HttpVersion11 and message.method != "HEAD"
        if is_usual and not message.should_close:
            self.send(_TOO_LATE, b"")
        else:
            self.answer(message, problem_reply(problem_of(TooLateError())))
        self.rest_late()
        return True

    def rest_late(self) -> None:
        """Rest after a request was refused for which there is no time."""
        self.rest_refused(uniform(*REST_SECONDS))  # noqa: S311  (no secret)

    def may_begin(self, size: int) -> bool:
        """Whether there is memory for the first piece of a large request, which comes before it is
        known, and may have to wait for the rest of its memory; else it is refused.
        """
        if self._held_bytes or self._piece_bytes or self.is_at_work:
            return True
        if not self.admission.admits_piece(size):
            self._refuse()
            return False
        self._piece_bytes = size
        self._loop.call_soon(self._release_when_idle)  # it may be many small requests
        return True

    def hold_waiting(self, size: int) -> bool:
        if size > self._waiting_bytes:
            if not self.admission.admits_piece(size - self._waiting_bytes):
                if self._request_in_progress and not self.body.is_eof():
                    self.body.set_exception(problem_of(too_many_bytes(), close=True))
                    self.drop_input()  # it is the body of the request at work, which is refused
                elif self._asked or self._request_in_progress:
                    self.abort()  # its answer is not due yet
                else:
                    self._messages.clear()  # the task may not have begun: it is refused instead
                    self._early.clear()
                    self._refuse()
                    if self._task_handler is not None and not self._is_idle:
                        self._task_handler.cancel()  # it would look for what was in the queue
                return False
        elif size < self._waiting_bytes:
            self.admission.budget.give_piece(self._waiting_bytes - size)
        self._waiting_bytes = size
        return True

    def _refuse(self) -> None:
        """Answer a request that has not been parsed."""
        transport = cast(asyncio.Transport, self.transport)
        reply = problem_reply(problem_of(too_many_bytes()))
        head = head_of(reply.status, reply.headers, len(reply.body), "Connection: close\r\n")
        transport.write(head + reply.body)
        self.drop_input()
        self._loop.call_later(self.admission.limits.linger_seconds, transport.close)

    def drop_input(self) -> None:
        """Read on without keeping anything: the rest of a body that was refused. If the connection
        closed at once, its sender would see a reset instead of the answer.
        """
        self._parser = None

    # ---- memory

    def hold(self, size: int) -> bool:
        """Hold at least `size` bytes of the budget in all, until `release` or the end of the
        connection; False if there are not as many now.
        """
        more = size - self._held_bytes
        if more > 0:
            if not self.admission.admits_bytes(more):
                return False
            self._held_bytes = size
        self._count_piece_no_more()
        return True

    async def reserve(self, size: int) -> None:
        """The same, after a short wait if need be. Raises UnavailableError."""
        more = size - self._held_bytes
        if more <= 0:
            return
        if not await self.admission.wait_for_bytes(more):
            raise too_many_bytes()
        self._held_bytes += more
        self._count_piece_no_more()
        if self.transport is None:
            self.release()
            raise ConnectionResetError("the client is gone")

    def keep(self, size: int) -> None:
        """Hold at most `size` bytes from now on."""
        if self._held_bytes > size:
            self.admission.budget.give(self._held_bytes - size)
            self._held_bytes = size

    def release(self) -> None:
        self.keep(0)
        self._count_piece_no_more()

    def _count_piece_no_more(self) -> None:
        if self._piece_bytes:
            self.admission.budget.give_piece(self._piece_bytes)
            self._piece_bytes = 0

    def _release_when_idle(self) -> None:
        if not self.is_at_work:
            self.release()
        elif self._piece_bytes:
            self._loop.call_later(PIECE_SECONDS, self._release_when_idle)

    def answer(self, message: Any, reply: Reply) -> None:
        super().answer(message, reply)
        if self._held_bytes and not self._paused:
            self.release()

    async def drained(self, transport: asyncio.Transport) -> None:
        try:
            with suppress(ConnectionError):
                async with draining(self, transport):
                    await self._drain_helper()
        finally:
            self.release()

    def end_if_idle_since(self, moment: float) -> None:
        """Close it if it is idle since `moment`, before aiohttp's own timeout would."""
        idle_since = self._next_keepalive_close_time - self.admission.limits.idle_seconds
        if idle_since <= moment and not self.is_at_work:
            self.force_close()

    def end_if_closing(self, now: float) -> None:
        """End it if it has been closing for too long: a transport closes when its client has read
        what was sent, which may be never.
        """
        if self._link is None or not self._link.is_closing():
            return
        if self._closing_since is None:
            self._closing_since = now
        elif now - self._closing_since > self.admission.limits.send_seconds:
            self._link.abort()

    def abort(self) -> None:
        """End it now, whatever its client has not read."""
        self.force_close()
        if self._link is not None:
            self._link.abort()

    @property
    def source(self) -> str:
        """The address of the client; empty on a Unix socket."""
        peer = None if self.transport is None else self.transport.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else ""

    @property
    def silent_since(self) -> float | None:
        """When it last began or answered a request; None while it waits for an answer. One whose
        body is still arriving is silent, too, and one that is closing.
        """
        is_open = self.transport is not None
        if self._gave_way or (is_open and self.is_at_work and self._latest_body.is_eof()):
            return None
        return self._next_keepalive_close_time - self.admission.limits.idle_seconds

    def give_way(self) -> None:
        """Close it for another one, which may take its place at once."""
        self._gave_way = True
        self.admission.count_connection(-1)
        self.admission.stats.shed["silent"] += 1
        self.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._link = transport
        self.admission.count_connection(1)
        # What the kernel does not take at once is counted: many small answers are much memory, too.
        cast(asyncio.Transport, transport).set_write_buffer_limits(0)
        kernel_bytes = bound_kernel_buffer(transport, self.admission.kernel_bytes)
        if kernel_bytes is not None:
            self.uncounted_bytes = min(LARGE_BYTES, kernel_bytes)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._link = None
        if not self._gave_way:
            self.admission.count_connection(-1)
        self.release()
        self.hold_waiting(0)
        for end in self._ends:
            end()

    def at_end(self, end: Callable[[], None]) -> None:
        """Call this when the connection ends; now, if it has. Of many, only the last are called."""
        if self.transport is None:
            end()
        else:
            self._ends = (*self._ends[1 - MOST_BOUND :], end)

    def handle_error(
        self,
        request: Any,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> Any:
        """The reply to a request that aiohttp can't parse, or to an error in a handler."""
        if isinstance(exc, ConnectionError):
            raise exc  # there is no client left to reply to
        if isinstance(exc, LineTooLong):
            status = 431
            detail = f"The request line and each header take {HEAD_BYTES:,} bytes; send less."
        elif isinstance(exc, BadHttpMethod):
            detail = (
                "This is not an HTTP method. If the request uses TLS, use http://, not https://."
            )
        elif isinstance(exc, InvalidURLError):
            detail = (
                "The target of the request is no path, or has an invalid character: begin it with "
                "'/', and percent-encode the character."
            )
        elif status == 400:
            detail = of_head(message)
        else:
            detail = "An internal error of cache-sidecar; see its log."
        self.admission.stats.observe("unknown", status, 0.0)
        return problem_reply(ProblemError(status, detail, close=True))


class PacedConnection(Connection):
    """A connection from which a piece is read now and then. Requests that come in one piece are not
    answered but for the first: a client that sends more than that on this port means no good.
    """

    __slots__ = ()

    def refused(self, _message: Any, _payload: StreamReader | bytes) -> bool:
        """Requests come at a limited rate, so each is answered."""
        return False

    def data_received(self, data: bytes) -> None:
        if data:  # aiohttp calls it without, to go on
            self.rest(self.admission.limits.pace_seconds)
        super().data_received(data)

    @property
    def is_last(self) -> bool:
        return super().is_last or bool(self._messages or self._early)


class Refusal(asyncio.Protocol):
    """A connection over the limit: it gets a 503 and is closed.

    Input is dropped for a moment before the connection closes. If it closed at once, the request in
    transit would cause a reset, and the client would see the reset instead of the reply.
    """

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        if not self._admission.admits_refusal():
            transport.abort()
            return
        self._admission.refusals += 1
        limits = self._admission.limits
        detail = f"{limits.connections} connections are open; close some, or try again."
        transport.write(unavailable(detail, "Connection: close\r\n"))
        transport.write_eof()
        loop = asyncio.get_running_loop()
        self._end = loop.call_later(limits.linger_seconds, transport.abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._end is not None:
            self._admission.refusals -= 1
            self._end.cancel()
