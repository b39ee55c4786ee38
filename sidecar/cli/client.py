"""A small HTTP/1.1 client for a running sidecar, over TCP or a Unix socket.

A replay must be faster than the server that it measures, which aiohttp's client is not. This client
supports only what the sidecar sends: a response has a Content-Length, or no body.
"""

from __future__ import annotations

import asyncio
import os
from asyncio import LimitOverrunError
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click

from sidecar.serving.token import TokenFileError, read_token

DEFAULT_URL = "http://127.0.0.1:7070"
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0


class Unreachable(Exception):  # noqa: N818  (a state of the other side)
    """There is no server, or it is not a sidecar. The message is one line."""


class NotAllowed(Unreachable):
    """It needs a token, or another one. The message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a sidecar listens, and the file with its token."""

    host: str
    port: int
    socket: Path | None = None
    token_file: Path | None = None

    @classmethod
    def parse(cls, url: str, socket: Path | None, token_file: Path | None = None) -> Address:
        """Raises click.BadParameter."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or 80
        except ValueError:  # an invalid port, or an invalid address in brackets
            host, port = None, 0
        if not host or parts.scheme != "http":
            raise click.BadParameter(
                f"{url!r} is not an HTTP URL; write for example {DEFAULT_URL}", param_hint="--url"
            )
        return cls(host, port, socket, token_file)

    def __str__(self) -> str:
        return str(self.socket) if self.socket else f"http://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, with header names in lower case."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class Connection:
    """One connection with one request at a time. Each request times out after `answer_seconds`.

    The token is read when it connects, since a new one may be in force by then.
    """

    def __init__(self, address: Address, answer_seconds: float = ANSWER_SECONDS) -> None:
        self.address = address
        self._answer_seconds = answer_seconds
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._authorization = ""

    async def request(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Send a request, and connect first if necessary. Raises Unreachable; NotAllowed if it is
        refused for lack of the token.
        """
        try:
            async with asyncio.timeout(self._answer_seconds):
                if self._streams is None:
                    self._authorization = _authorization(self.address.token_file)
                    self._streams = await self._connect()
                answer = await self._exchange(self._streams, method, path, body)
        except (OSError, EOFError, ValueError, IndexError, LimitOverrunError) as error:
            self.close()
            raise Unreachable(f"{self.address}: {_why(error)}") from error
        if answer.status == 401:
            self.close()
            raise _not_allowed(self.address)
        return answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(CONNECT_SECONDS):
            if self.address.socket is not None:
                return await asyncio.open_unix_connection(self.address.socket)
            return await asyncio.open_connection(self.address.host, self.address.port)

    async def _exchange(
        self,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        method: str,
        path: str,
        body: bytes | None,
    ) -> Answer:
        reader, writer = streams
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        fields = f"Host: localhost\r\n{self._authorization}{length}"
        writer.write(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode())
        if body:
            writer.write(body)
            await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        status_line, *lines = head[:-4].split(b"\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(b": ")
            headers[name.lower()] = value
        status = int(status_line.split(b" ", 2)[1])
        size = int(headers.get(b"content-length", b"0"))
        answer = Answer(status, headers, await reader.readexactly(size) if size else b"")
        if headers.get(b"connection") == b"close":
            self.close()
        return answer


def _authorization(token_file: Path | None) -> str:
    """The header field with the token, if there is one. Raises NotAllowed."""
    if token_file is None:
        return ""
    try:
        return f"Authorization: Bearer {read_token(token_file).decode()}\r\n"
    except TokenFileError as error:
        raise NotAllowed(f"--token-file {error}") from None


def _not_allowed(address: Address) -> NotAllowed:
    if address.token_file is None:
        return NotAllowed(f"{address} requires a token; give its file by --token-file")
    return NotAllowed(
        f"{address} does not accept the token in {address.token_file}; give the file of its own by "
        "--token-file"
    )


def _why(error: Exception) -> str:
    """The system's message, since that of asyncio is longer and says no more."""
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, EOFError):
        return "the connection was closed"
    if isinstance(error, OSError):
        if error.errno is not None and error.errno > 0:
            return os.strerror(error.errno)
        return error.strerror or "cannot connect to any of its addresses"
    return "the server does not speak HTTP"
