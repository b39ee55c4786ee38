"""An HTTP origin of a few lines, that sends whatever bytes a test wants, valid or not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

from tests.http.serving import eventually

Handler = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    target: str
    headers: dict[str, str]
    """By their names in lower case."""


@dataclass
class Server:
    """Answers each request with `answer`; it closes a connection whose handler fails."""

    answer: Handler | bytes
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    """Those that were accepted."""
    open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)
    """The handler of each connection that is open."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End all handlers and connections."""
        for task, writer in self.open.items():
            writer.transport.abort()
            task.cancel()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self.open[task] = writer
        try:
            while not writer.is_closing():
                await self._serve_one(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, RuntimeError):
            pass  # `stop` cancels it; uvloop has a RuntimeError for writing to what is closed
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()
        del self.open[task]

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        fields = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        request = Request(first.split(" ")[1], headers)
        self.requests.append(request)
        if isinstance(self.answer, bytes):
            writer.write(self.answer)
        else:
            await self.answer(request, writer)
        if not writer.is_closing():
            await writer.drain()


@asynccontextmanager
async def serving(
    answer: Handler | bytes, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    it = Server(answer)
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0, ssl=tls)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        it.stop()
        await eventually(lambda: not it.open, "all connections of the server have ended")


def response(
    status: int = 200, body: bytes = b"", *fields: str, length: int | None = None
) -> bytes:
    """A response with these lines in its head; `length` may be another than that of its body."""
    has_body = status not in (204, 304)
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status} Of a test", *fields]
    if has_body:
        lines.append(f"Content-Length: {size}")
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n" + body * has_body


def sending(data: bytes) -> Handler:
    """Sends this, and closes the connection."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()

    return answer


def by_target(answers: dict[str, bytes]) -> Handler:
    """A response for each target."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answers[request.target])

    return answer
