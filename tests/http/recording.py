"""Random pieces of requests, and connections that record which requests they see in them."""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass
from typing import Any, cast

from sidecar.http.messages import Reply, Request
from sidecar.http.server import Server
from sidecar.model.stats import RequestStats
from sidecar.serving.admission import Admission
from sidecar.serving.limits import Limits
from tests.http.asking import CLOSE
from tests.http.serving import request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

TURNS = 8
"""Of the event loop, in which the task handles a request."""

Seen = list[tuple[str, str, list[tuple[str, str]], bytes]]
"""Requests: method, path, header fields and body."""


@dataclass
class Step:
    """A piece of data, and what happens before it."""

    data: bytes
    writing: str  # pause, resume, or nothing
    turns: int


def drawn(rng: random.Random) -> bytes:
    """A request; most have fields that repeat, and some are broken."""
    if rng.random() < 0.4:
        return request("GET", "/a")
    method = rng.choice(["GET", "GET", "PUT", "PUT", "DELETE", "HEAD"])
    target = rng.choice(["/a", "/b:1?ttl=5", "/task", "/%20", "//x", "/a#b", "*", "/\u00e9"])
    fields = ["Host: localhost"]
    body = b"v" * rng.randrange(3)
    match rng.randrange(12):
        case 0:
            fields += rng.sample(["Accept: */*", "accept: */*", "X:  y", "Cookie: a\tb", CLOSE], 2)
        case 1:
            fields += ["Connection: upgrade", "Upgrade: websocket"]
        case 2:
            fields += ["Transfer-Encoding: chunked"]
            body = b"2\r\nvv\r\n0\r\n\r\n"
        case 3:
            fields += [f"Content-Length: {rng.choice([2**64 - 1, 2**64 - 2, 10, '00', '+1'])}"]
        case 4:
            body = b""
            fields += [f"X: {rng.randrange(9)}"]
        case _ if method == "PUT":
            fields += [f"Content-Length: {len(body)}"]
        case _:
            body = b""
    data = "\r\n".join([f"{method} {target} HTTP/1.1", *fields, "", ""]).encode() + body
    if rng.random() < 0.03:
        at = rng.randrange(len(data))
        data = data[:at] + rng.choice([b"", b"\r\n", b" ", b"\0", b":", b"G"]) + data[at + 1 :]
    return data


def cut(rng: random.Random, requests: list[bytes]) -> list[Step]:
    """The requests in pieces: as they are, without their rest, cut in two, or joined. Writing is
    paused now and then, and the task does not always have time between two pieces.
    """
    pieces: list[bytes] = []
    for data in requests:
        match rng.randrange(8):
            case 0:
                pieces.append(data[: place_in(rng, data)])
            case 1:
                place = place_in(rng, data)
                pieces += [data[:place], data[place:]]
            case 2 | 3 if pieces:
                pieces[-1] += data[: rng.choice([place_in(rng, data), len(data)])]
            case _:
                pieces.append(data)
    return [
        Step(piece, rng.choice(["pause", "resume", "", "", "", ""]), rng.choice([0, TURNS, TURNS]))
        for piece in pieces
        if piece
    ]


def place_in(rng: random.Random, data: bytes) -> int:
    ends = [end.start() + rng.choice([0, 2]) for end in re.finditer(rb"\r\n", data)]
    return rng.choice([*ends, data.find(b"\r\n\r\n") + 4, rng.randrange(len(data))])


def recording() -> Server:
    """A server that records the requests of a connection, and answers them all alike: at once, or,
    those that it is to leave, by the task.
    """

    def take(connection: Any, message: Any, payload: Any) -> bool:
        if not hasattr(message, "path") or message.upgrade or message.path == "/task":
            return False
        if isinstance(payload, bytes):
            body = payload
        elif payload.is_eof() and payload.exception() is None:
            body = payload.read_nowait() if payload.total_bytes else b""
        else:
            return False
        connection.transport.seen.append((message.method, message.path, fields_of(message), body))
        connection.send(OK, b"")
        return True

    class ByTask:
        def find(self, request: Request) -> Any:
            async def handle(request: Request) -> Reply:
                body = await request.body(1000)
                seen = cast(Any, request.protocol.transport).seen
                seen.append((request.method, request.path, fields_of(request), body))
                return Reply(200)

            return "task", handle, lambda _: False

    return Server("http", ByTask(), Admission(RequestStats(), Limits()), take)


async def record(server: Server, steps: list[Step], news: int = 0) -> tuple[Seen, int, bool]:
    """The requests that a connection sees, the number of its answers, and whether it was closed."""
    connection, transport = server(), Recorder()
    connection._news = news
    connection.connection_made(transport)
    await turns(TURNS)
    for step in steps:
        await turns(step.turns)
        set_paused(connection, step.writing == "pause" or (connection._paused and not step.writing))
        if transport.is_closed or transport.is_paused:
            break
        connection.data_received(step.data)
    await turns(TURNS)
    set_paused(connection, False)
    await turns(TURNS)
    connection.connection_lost(None)
    await turns(1)
    return transport.seen, transport.answers, transport.is_closed


def set_paused(connection: Any, is_paused: bool) -> None:
    """As the transport does when its buffer is full, and when it has been sent."""
    if is_paused and not connection._paused:
        connection.pause_writing()
    elif connection._paused and not is_paused:
        connection.resume_writing()


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def fields_of(message: Any) -> list[tuple[str, str]]:
    return list(message.headers.items())


class Recorder(asyncio.Transport):
    """A transport that counts answers."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Seen = []
        self.answers = 0
        self.is_closed = self.is_paused = False

    def write(self, data: Any) -> None:
        self.answers += bytes(data).startswith(b"HTTP/1.1 ")

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """It takes all at once."""

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False
