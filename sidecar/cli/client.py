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

DEFAULT_URL = "http://127.0.0.1:7070"
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0


class Unreachable(Exception):  # noqa: N818  (a state of the other side)
    """There is no server, or it is not a sidecar. The message is one line."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a sidecar listens."""

    host: str
    port: int
    socket: Path | None = None

    @classmethod
    def parse(cls, url: str, socket: Path | None) -> Address:
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
        return cls(host, port, socket)

    def __str__(self) -> str:
        return str(self.socket) if self.socket else f"http://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, with header names in lower case."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class Connection:
    """One connection with one request at a time. Each request times out after `answer_seconds`."""

    def __init__(self, address: Address, answer_seconds: float = ANSWER_SECONDS) -> None:
        self.address = address
        self._answer_seconds = answer_seconds
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Send a request, and connect first if necessary. Raises Unreachable."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                if self._streams is None:
                    self._streams = await self._connect()
                return await self._exchange(self._streams, method, path, body)
        except (OSError, EOFError, ValueError, IndexError, LimitOverrunError) as error:
            self.close()
            raise Unreachable(f"{self.address}: {_why(error)}") from error

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
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n".encode())
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
