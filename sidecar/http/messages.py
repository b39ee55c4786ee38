"""A request and a reply, no heavier than the data path can afford.

aiohttp parses, keeps connections alive and runs one task a request; what it builds on top (a
router, a request with a mapping interface, a response with its own header map) costs more than a
look-up in L1. These two classes are what `web.Server` hands to a handler and wants back, no more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import HttpVersion11
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.streams import StreamReader

from sidecar.http.problems import ProblemError, problem_body

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.web_protocol import RequestHandler

BODY_SECONDS = 30.0
"""How long a body may take: a client that sends a byte a second holds nothing for long."""
SEND_SECONDS = 30.0
"""How long a client may take to make room for a reply that it asked for."""
JOIN_BYTES = 16 << 10
"""Up to this size head and body are sent as one piece; beyond it the copy costs more."""

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}
_BODILESS = (204, 304)


class Request:
    """One request. `path` and `query` are as sent, still percent-encoded."""

    __slots__ = ("_task", "headers", "message", "method", "path", "payload", "protocol", "query")

    def __init__(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: object,
        task: asyncio.Task[None],
    ) -> None:
        self.message = message
        self.payload = payload
        self.protocol = protocol
        self._task = task
        self.method = message.method
        self.headers: Mapping[str, str] = message.headers
        self.path, _, self.query = message.path.partition("?")

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises ProblemError: 413 over `limit` bytes, 408 when it is too slow."""
        announced = self.headers.get("Content-Length")
        if announced is not None and int(announced) > limit:
            raise _too_large(limit)
        if self.headers.get("Expect", "").lower() == "100-continue":
            self._transport().write(b"HTTP/1.1 100 Continue\r\n\r\n")
        payload = self.payload
        try:
            if payload.is_eof():
                body = payload.read_nowait()
                if len(body) > limit:  # it came compressed
                    raise _too_large(limit)
                return body
            async with asyncio.timeout(BODY_SECONDS):
                return await self._read(limit)
        except TimeoutError:
            raise ProblemError(
                408, f"The body did not arrive within {BODY_SECONDS:.0f} s."
            ) from None
        except BadHttpMessage as error:
            raise ProblemError(400, f"The body can't be read: {error.message}") from None

    async def _read(self, limit: int) -> bytes:
        chunks = []
        size = 0
        while chunk := await self.payload.readany():
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
        return b"".join(chunks)

    def _transport(self) -> asyncio.Transport:
        transport = self.protocol.transport
        if transport is None:
            raise ConnectionResetError("the client is gone")
        return transport

    # What aiohttp calls on its own requests.

    def _finish(self) -> None: ...

    def _cancel(self, exc: BaseException) -> None:
        self.payload.set_exception(exc)


class Reply:
    """One reply. `headers` are whole lines, each with its CRLF, without Content-Length and Date."""

    __slots__ = ("body", "headers", "keep_alive", "status")

    def __init__(self, status: int, headers: str = "", body: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.keep_alive = True

    def closing(self) -> Reply:
        """This reply, after which the connection is closed."""
        self.keep_alive = False
        return self

    async def prepare(self, request: Request) -> None:
        """Send it. aiohttp calls this, and reads `keep_alive` afterwards."""
        message = request.message
        connection = ""
        if message.should_close or not self.keep_alive:
            self.keep_alive = False
            connection = "Connection: close\r\n"
        elif message.version < HttpVersion11:
            connection = "Connection: keep-alive\r\n"
        status = self.status
        length = "" if status in _BODILESS else f"Content-Length: {len(self.body)}\r\n"
        head = (
            f"{_STATUS_LINES[status]}{self.headers}{length}{connection}{_http_date()}\r\n"
        ).encode("latin-1")
        transport = request._transport()
        if request.method == "HEAD" or status in _BODILESS:
            transport.write(head)
        elif len(self.body) <= JOIN_BYTES:
            transport.write(head + self.body)
        else:
            transport.writelines((head, self.body))
        if request.protocol.writing_paused:
            await _drain(request.protocol, transport)

    async def write_eof(self) -> None:
        """Nothing is left to send."""


def problem_reply(problem: ProblemError) -> Reply:
    """The reply that a problem is."""
    headers = f"Content-Type: application/problem+json\r\n{problem.headers}"
    reply = Reply(problem.status, headers, problem_body(problem.status, problem.detail))
    return reply.closing() if problem.close else reply


async def _drain(protocol: RequestHandler, transport: asyncio.Transport) -> None:
    """Wait for a slow reader, within bounds: what it does not take stays in memory."""
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await protocol._drain_helper()
    except TimeoutError:
        transport.abort()


def _too_large(limit: int) -> ProblemError:
    return ProblemError(413, f"The body is larger than {limit:,} bytes.", close=True)


class _Date:
    """The Date header, made once a second."""

    second = 0
    line = ""


def _http_date() -> str:
    second = int(time.time())
    if second != _Date.second:
        _Date.second = second
        _Date.line = f"Date: {formatdate(second, usegmt=True)}\r\n"
    return _Date.line
