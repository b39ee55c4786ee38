"""A request and a reply that are cheap enough for the data path.

aiohttp parses, keeps connections alive and runs one task per request. Its higher layers (a router,
a request with a mapping interface, a response with its own header map) cost more than a lookup in
L1. These two classes implement only what `web.Server` passes to a handler and expects back.
"""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from aiohttp import HttpVersion11
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestPayloadError
from msgspec import Struct

from sidecar.api.errors import TooLargeError, UnavailableError
from sidecar.http.codings import content_codings, decoded, refuse_transfer_codings
from sidecar.http.problems import ProblemError, problem_body, problem_of
from sidecar.http.wording import of_body
from sidecar.serving.admission import Admission

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage
    from multidict import CIMultiDictProxy

LARGE_BYTES = 16 << 10
"""Up to this size, head and body are sent in one write; for larger bodies the copy costs more."""

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}
_BODILESS = (204, 304)
MOST_DIGITS = 17
"""Of a Content-Length that is read as a number: a longer one exceeds every limit, or has zeros."""
JSON_HEADER = "Content-Type: application/json\r\n"


class Connection(Protocol):
    """The part of a connection that requests and replies use."""

    admission: Admission
    body: StreamReader

    @property
    def transport(self) -> asyncio.Transport | None: ...

    @property
    def writing_paused(self) -> bool: ...

    @property
    def is_last(self) -> bool:
        """Whether no request follows the one that is being answered."""

    def hold(self, size: int) -> None: ...

    def release(self) -> None: ...

    def others_fill_buffers(self) -> bool: ...

    async def _drain_helper(self) -> None: ...


class Request:
    """One request. `path` and `query` are as sent, still percent-encoded."""

    __slots__ = ("_task", "headers", "message", "method", "path", "payload", "protocol", "query")

    def __init__(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: Connection,
        writer: object,
        task: asyncio.Task[None],
    ) -> None:
        self.message = message
        self.payload = payload
        self.protocol = protocol
        protocol.body = payload
        self._task = task
        self.method = message.method
        self.headers: CIMultiDictProxy[str] = message.headers
        self.path, _, self.query = message.path.partition("?")

    async def body(self, limit: int) -> bytes:
        """The whole body. Raises ProblemError: 413 if it exceeds `limit` bytes, 408 if it is too
        slow, 503 if too many bytes are buffered, 400 if it is not of its coding, 415 or 501 for an
        unknown coding.
        """
        headers = self.headers
        announced = headers.get("Content-Length")
        if announced is not None and exceeds(announced, limit):
            raise _too_large(limit)
        refuse_transfer_codings(headers)
        codings = content_codings(headers)
        if "Expect" in headers:
            self._meet_expectation(headers["Expect"])
        payload = self.payload
        try:
            if payload.is_eof():
                body = payload.read_nowait()
                if len(body) > limit:  # a chunked body has no Content-Length
                    raise _too_large(limit)
            else:
                body = await self._read(limit)
        except (BadHttpMessage, RequestPayloadError) as error:
            raise ProblemError(400, of_body(str(error)), close=True) from None
        for coding in reversed(codings):
            body = await decoded(body, coding, limit)
            if len(body) > limit:
                raise _too_large(limit)
        return body

    def to_origin_form(self) -> bool:
        """Rewrite `GET http://host/path` as `GET /path` (RFC 9112, section 3.2.2).

        Returns False if the target is not in absolute form.
        """
        scheme, separator, rest = self.path.partition("://")
        if not separator or scheme.lower() not in {"http", "https"}:
            return False
        self.path = "/" + rest.partition("/")[2]
        return True

    def _meet_expectation(self, expected: str) -> None:
        """Answer `Expect: 100-continue` (RFC 9110, section 10.1.1)."""
        if expected.lower() != "100-continue":
            detail = f"The only supported expectation is 100-continue, not {expected[:80]!r}."
            raise ProblemError(417, detail, close=True)
        if self.message.version >= HttpVersion11 and not self.payload.is_eof():
            self._transport().write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _read(self, limit: int) -> bytes:
        """Read the rest of the body. It counts as buffered until the request is answered."""
        self._transport()  # if the client is gone, aiohttp would raise a RuntimeError
        connection = self.protocol
        chunks = []
        size = 0
        try:
            async with asyncio.timeout(connection.admission.limits.body_seconds):
                while chunk := await self.payload.readany():
                    chunks.append(chunk)
                    size += len(chunk)
                    connection.hold(len(chunk))
                    if size > limit:
                        raise _too_large(limit)
                    if connection.others_fill_buffers():
                        full = UnavailableError("Too many large bodies are in progress.")
                        raise problem_of(full, close=True)
        except TimeoutError:
            seconds = connection.admission.limits.body_seconds
            detail = f"The body did not arrive within {seconds:g} s; send it faster, or less."
            raise ProblemError(408, detail, close=True) from None
        return b"".join(chunks)

    def _transport(self) -> asyncio.Transport:
        transport = self.protocol.transport
        if transport is None:
            raise ConnectionResetError("the client is gone")
        return transport

    # aiohttp calls these methods on its own request class.

    def _finish(self) -> None:
        """Called when the handler has returned, before the reply is sent."""
        self.protocol.body = EMPTY_PAYLOAD
        self.protocol.release()

    def _cancel(self, exc: BaseException) -> None:
        self.payload.set_exception(exc)


class Reply(Struct, eq=False):
    """One reply. `headers` are complete lines with CRLF, without Content-Length and Date."""

    status: int
    headers: str = ""
    body: bytes = b""
    keep_alive: bool = True

    def closing(self) -> Reply:
        """This reply, with the connection closed after it."""
        self.keep_alive = False
        return self

    def write(self, message: RawRequestMessage, transport: asyncio.Transport) -> None:
        """Write the reply to a request. `keep_alive` is afterwards whether another may follow."""
        connection = ""
        if message.should_close or not self.keep_alive:
            self.keep_alive = False
            connection = "Connection: close\r\n"
        elif message.version < HttpVersion11:
            connection = "Connection: keep-alive\r\n"
        head = head_of(self.status, self.headers, len(self.body), connection)
        if message.method == "HEAD" or self.status in _BODILESS:
            transport.write(head)
        else:
            write(transport, head, self.body)

    async def prepare(self, request: Request) -> None:
        """Send the reply. aiohttp calls this, and reads `keep_alive` afterwards."""
        connection = request.protocol
        if connection.is_last:
            self.keep_alive = False
        transport = request._transport()
        self.write(request.message, transport)
        if connection.writing_paused:
            await drain(connection, transport, len(self.body))

    async def write_eof(self) -> None:
        """Do nothing: `prepare` has sent everything."""


def head_of(status: int, headers: str, size: int, connection: str = "") -> bytes:
    """The status line and the header fields of a reply with a body of `size` bytes; `connection` is
    that field, if there is one.
    """
    length = "" if status in _BODILESS else f"Content-Length: {size}\r\n"
    return f"{_STATUS_LINES[status]}{headers}{length}{connection}{_http_date()}\r\n".encode(
        "latin-1"
    )


def write(transport: asyncio.Transport, head: bytes, body: bytes) -> None:
    if len(body) <= LARGE_BYTES:
        transport.write(head + body)
    else:
        transport.writelines((head, body))


def problem_reply(problem: ProblemError) -> Reply:
    """A problem as a reply."""
    headers = f"Content-Type: application/problem+json\r\n{problem.headers}"
    reply = Reply(problem.status, headers, problem_body(problem.status, problem.detail))
    return reply.closing() if problem.close else reply


def internal_error() -> Reply:
    """The reply to a request that failed through an error of ours, which the caller has logged."""
    return problem_reply(ProblemError(500, "An internal error of cache-sidecar; see its log."))


async def drain(connection: Connection, transport: asyncio.Transport, size: int) -> None:
    """Wait for a slow reader, up to a time limit: unsent bytes stay in memory."""
    connection.hold(size)
    try:
        async with asyncio.timeout(connection.admission.limits.send_seconds):
            await connection._drain_helper()
    except TimeoutError:
        transport.abort()
    finally:
        connection.release()


def exceeds(content_length: str, limit: int) -> bool:
    """Whether a Content-Length is above a limit. `int` refuses one of thousands of digits."""
    return len(content_length) > MOST_DIGITS or int(content_length) > limit


def too_many_bytes() -> UnavailableError:
    """The error of a request whose large reply has no room now."""
    return UnavailableError(
        "Too many large bodies are in progress; read pending replies, then try again."
    )


def _too_large(limit: int) -> ProblemError:
    error = TooLargeError(f"The body may take {limit:,} bytes; send less.")
    return problem_of(error, close=True)


class _Date:
    """The Date header, formatted once a second."""

    second = 0
    line = ""


def _http_date() -> str:
    second = int(time.time())
    if second != _Date.second:
        _Date.second = second
        _Date.line = f"Date: {formatdate(second, usegmt=True)}\r\n"
    return _Date.line
