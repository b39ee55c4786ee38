"""A request and a reply that are cheap enough for the data path.

aiohttp parses, keeps connections alive and runs one task per request. Its higher layers (a router,
a request with a mapping interface, a response with its own header map) cost more than a lookup in
L1. These two classes implement only what `web.Server` passes to a handler and expects back.

One file of more than 300 lines, since the memory that one of them takes the other gives back.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from aiohttp import HttpVersion11
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestPayloadError
from msgspec import Struct

from sidecar.api.errors import TooLargeError, UnavailableError
from sidecar.http.codings import content_codings, decoded, refuse_transfer_codings
from sidecar.http.problems import (
    NOT_KEPT,
    PROBLEM_HEADERS,
    ProblemError,
    problem_body,
    problem_of,
)
from sidecar.http.wording import of_body
from sidecar.serving.admission import Admission

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage
    from multidict import CIMultiDictProxy

LARGE_BYTES = 16 << 10
"""Up to this size, head and body are sent in one write; for larger bodies the copy costs more."""

STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus
}
_BODILESS = (204, 304)
MOST_DIGITS = 17
"""Of a Content-Length that is read as a number: a longer one exceeds every limit, or has zeros."""
JSON_HEADER = f"Content-Type: application/json\r\n{NOT_KEPT}"


class Connection(Protocol):
    """The part of a connection that requests and replies use."""

    admission: Admission
    body: StreamReader
    reads_body: bool
    uncounted_bytes: int

    @property
    def transport(self) -> asyncio.Transport | None: ...

    @property
    def writing_paused(self) -> bool: ...

    @property
    def is_last(self) -> bool:
        """Whether no request follows the one that is being answered."""

    def drop_input(self) -> None: ...

    def rest_late(self) -> None: ...

    def hold(self, size: int) -> bool: ...

    async def reserve(self, size: int) -> None: ...

    def keep(self, size: int) -> None: ...

    def release(self) -> None: ...

    def at_end(self, end: Callable[[], None]) -> None: ...

    async def _drain_helper(self) -> None: ...


_WITH_BODY = {"PUT", "POST", "PATCH"}
"""Their handlers read it, or refuse the request."""


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
        protocol.reads_body = message.method in _WITH_BODY
        self._task = task
        self.method = message.method
        self.headers: CIMultiDictProxy[str] = message.headers
        self.path, _, self.query = message.path.partition("?")

    async def body(self, limit: int, copies: int = 1) -> bytes:
        """The whole body; memory for `copies` of it is held until the request is answered.

        Raises ProblemError: 413 if it exceeds `limit` bytes or the memory that there is, 408 if it
        is too slow, 503 if there is no memory for it now, 400 if it is not of its coding, 415 or
        501 for an unknown coding.
        """
        headers = self.headers
        self.protocol.reads_body = True
        limit = min(limit, self.protocol.admission.budget.most_bytes // copies)
        announced = headers.get("Content-Length")
        if announced is not None and exceeds(announced, limit):
            raise _too_large(limit)
        refuse_transfer_codings(headers)
        codings = content_codings(headers)
        if announced is not None and (size := int(announced)) > LARGE_BYTES:
            await self._reserve(size * copies)
        if "Expect" in headers:
            self._meet_expectation(headers["Expect"])
        payload = self.payload
        try:
            if payload.is_eof():
                body = payload.read_nowait()
                if len(body) > limit:  # a chunked body has no Content-Length
                    raise _too_large(limit)
            else:
                body = await self._read(limit, copies)
        except (BadHttpMessage, RequestPayloadError) as error:
            raise ProblemError(400, of_body(str(error)), close=True) from None
        for coding in reversed(codings):
            reserve = partial(self.protocol.reserve, len(body) * copies + limit)
            body = await decoded(body, coding, limit, reserve)
            if len(body) > limit:
                raise _too_large(limit)
        if codings:
            await self.protocol.reserve(len(body) * copies)
            self.protocol.keep(len(body) * copies)
        return body

    def refuse_body(self) -> None:
        """For calls that take none. Raises ProblemError: what it says would be ignored."""
        payload = self.payload
        if not payload.is_eof() or payload.total_bytes:
            detail = "This call takes no body; what it does is stated by the query."
            raise ProblemError(400, detail, close=not payload.is_eof())

    async def _reserve(self, size: int) -> None:
        """Have memory for the body. If there is none, it is not read."""
        try:
            await self.protocol.reserve(size)
        except UnavailableError as full:
            raise problem_of(full, close=not self.payload.is_eof()) from None

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

    async def _read(self, limit: int, copies: int) -> bytes:
        """Read the rest of the body."""
        self._transport()  # if the client is gone, aiohttp would raise a RuntimeError
        connection = self.protocol
        body = io.BytesIO()  # gives its value without copying it
        try:
            async with asyncio.timeout(connection.admission.limits.body_seconds):
                while chunk := await self.payload.readany():
                    body.write(chunk)
                    size = body.tell()
                    if size > limit:
                        raise _too_large(limit)
                    if not connection.hold(size * copies):  # it has announced no length
                        raise problem_of(too_many_bytes(), close=True)
        except TimeoutError:
            seconds = connection.admission.limits.body_seconds
            detail = f"The body did not arrive within {seconds:g} s; send it faster, or less."
            raise ProblemError(408, detail, close=True) from None
        return body.getvalue()

    def _transport(self) -> asyncio.Transport:
        transport = self.protocol.transport
        if transport is None:
            raise ConnectionResetError("the client is gone")
        return transport

    # aiohttp calls these methods on its own request class.

    def _finish(self) -> None:
        """Called when the handler has returned, before the reply is sent. A body that is still
        arriving is dropped then, until its end.
        """
        if self.payload.is_eof():
            self.protocol.body = EMPTY_PAYLOAD

    def _cancel(self, exc: BaseException) -> None:
        self.payload.set_exception(exc)


class Reply(Struct, eq=False):
    """One reply. `headers` are complete lines with CRLF, without Content-Length and Date.

    A large body may come in `pieces` instead of `body`, which are sent as the client reads them.
    """

    status: int
    headers: str = ""
    body: bytes = b""
    keep_alive: bool = True
    pieces: Sequence[bytes] = ()

    @property
    def size(self) -> int:
        """The length of the body."""
        return len(self.body) + sum(map(len, self.pieces))

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
        head = head_of(self.status, self.headers, self.size, connection)
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
        if not self.keep_alive and not request.payload.is_eof():
            connection.drop_input()
        try:
            self.write(request.message, transport)
            if connection.writing_paused or self.pieces:
                await self._drain(connection, transport)
        finally:
            connection.release()

    async def _drain(self, connection: Connection, transport: asyncio.Transport) -> None:
        """Send the pieces as the client reads them, and give back the memory of what was sent."""
        left = self.size
        async with draining(connection, transport):
            for piece in self.pieces:
                transport.write(piece)
                await connection._drain_helper()
                left -= len(piece)
                connection.keep(left)
            await connection._drain_helper()

    async def write_eof(self) -> None:
        """Do nothing: `prepare` has sent everything."""


def head_of(status: int, headers: str, size: int, connection: str = "") -> bytes:
    """The status line and the header fields of a reply with a body of `size` bytes; `connection` is
    that field, if there is one.
    """
    length = "" if status in _BODILESS else f"Content-Length: {size}\r\n"
    return f"{STATUS_LINES[status]}{headers}{length}{connection}{http_date()}\r\n".encode("latin-1")


def write(transport: asyncio.Transport, head: bytes, body: bytes) -> None:
    if len(body) <= LARGE_BYTES:
        transport.write(head + body)
    else:
        transport.writelines((head, body))


def problem_reply(problem: ProblemError) -> Reply:
    """A problem as a reply."""
    headers = PROBLEM_HEADERS + problem.headers
    reply = Reply(problem.status, headers, problem_body(problem.status, problem.detail))
    return reply.closing() if problem.close else reply


def internal_error() -> Reply:
    """The reply to a request that failed through an error of ours, which the caller has logged."""
    return problem_reply(ProblemError(500, "An internal error of cache-sidecar; see its log."))


@asynccontextmanager
async def draining(connection: Connection, transport: asyncio.Transport) -> AsyncIterator[None]:
    """For waits for a slow reader, up to a time limit: unsent bytes stay in memory, and a small
    answer that was sent in part does as a whole. If there is no memory for them, it is given up at
    once.
    """
    if not connection.hold(memory_of(transport.get_write_buffer_size())):
        transport.abort()
    try:
        async with asyncio.timeout(connection.admission.limits.send_seconds):
            yield
    except TimeoutError:
        transport.abort()


def memory_of(unsent_bytes: int) -> int:
    """What an answer holds of which so many bytes may be unsent."""
    return max(unsent_bytes, LARGE_BYTES)


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
    """The header field, formatted once a second."""

    second = 0
    line = ""


def http_date() -> str:
    second = int(time.time())
    if second != _Date.second:
        _Date.second = second
        _Date.line = f"Date: {formatdate(second, usegmt=True)}\r\n"
    return _Date.line
