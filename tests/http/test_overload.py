"""Requests that can't be answered in time are refused, and nothing else changes."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from math import inf
from typing import Any

import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.http.connection import REST_SECONDS
from sidecar.serving.admission import FEW_REQUESTS
from sidecar.serving.limits import Limits
from sidecar.serving.turns import FEW_CONNECTIONS, Turns
from tests.http.serving import Serve, Served, eventually, exchange, raw_problem, request

PATH = "/v1/cache/test/key"
CLOSE = "Connection: close"


@asynccontextmanager
async def overloaded(served: Served) -> AsyncIterator[Turns]:
    """So many connections are open that turns are counted, and no turn may have a request."""
    turns = served.admission.turns
    async with AsyncExitStack() as stack:
        for _ in range(FEW_CONNECTIONS + 1):
            _, writer = await asyncio.open_connection("127.0.0.1", served.port)
            stack.callback(writer.close)
        await eventually(lambda: turns.watched, "they are watched")
        turns.refuses, turns.refuses_until, turns.most = True, inf, 0
        yield turns
        turns.refuses, turns.refuses_until = False, 0.0


LATE = (
    request("GET", PATH),
    request("HEAD", PATH),
    request("DELETE", PATH),
    request("PUT", PATH, "Content-Length: 1", body=b"v"),
    request("GET", "/v1/stats"),
    request("GET", PATH, "Connection: keep-alive", version="1.0"),
)


@pytest.mark.parametrize("asked", LATE, ids=lambda asked: asked[:15].decode())
async def test_a_request_that_comes_too_late_is_refused(serve: Serve, asked: bytes) -> None:
    """503 with Retry-After, whatever the request, and nothing is changed. The connection is kept,
    and read again when the client was to come back.
    """
    served = await serve(Limits())
    async with overloaded(served):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(asked)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Retry-After: 1\r\n" in head
        if not asked.startswith(b"HEAD"):
            [length] = re.findall(rb"Content-Length: (\d+)", head)
            raw_problem(head + await reader.readexactly(int(length)), 503)
    writer.write(request("GET", PATH, CLOSE))
    raw_problem(await reader.read(), 404)
    writer.close()
    assert served.admission.stats.shed["late"] == 1


async def test_a_late_request_that_ends_its_connection_is_told_so(serve: Serve) -> None:
    """503, and the connection is closed."""
    served = await serve(Limits())
    async with overloaded(served):
        answer = await exchange(served.port, request("GET", PATH, CLOSE))
    assert b"Connection: close\r\n" in answer
    raw_problem(answer, 503)


async def test_a_body_that_is_arriving_is_not_refused_for_being_late(serve: Serve) -> None:
    """Its sender would have sent it in vain."""
    served = await serve(Limits())
    async with overloaded(served):
        head = request("PUT", PATH, "Content-Length: 2", CLOSE)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(head)
        await eventually(lambda: served.admission.stats.in_flight, "the head has arrived")
        writer.write(b"vv")
        assert (await reader.read()).startswith(b"HTTP/1.1 201 ")
        writer.close()


WAITING = (
    request("GET", PATH),
    request("PUT", PATH, "Content-Length: 1", body=b"v"),
    request("DELETE", PATH),
    request("GET", PATH, 'If-None-Match: "1"'),
    request("PUT", PATH, "Content-Length: 1", "If-None-Match: *", body=b"v"),
    request("DELETE", PATH, "If-Match: *"),
    request("PUT", PATH, "Transfer-Encoding: chunked", body=b"1\r\nv\r\n0\r\n\r\n"),
    *(
        request("POST", f"/v1/{batch}", f"Content-Length: {len(body)}", body=body)
        for batch, body in (
            ("mget", b'{"namespace": "test", "keys": ["key"]}'),
            ("mset", b'{"namespace": "test", "entries": [{"key": "key", "value": "v"}]}'),
            ("mdelete", b'{"namespace": "test", "keys": ["key"]}'),
        )
    ),
)


@pytest.mark.parametrize("asked", WAITING, ids=lambda asked: asked.decode()[:60])
async def test_what_would_wait_for_l3_is_refused_while_too_many_do(
    serve: Serve, live: Sidecar, asked: bytes
) -> None:
    """503 with Retry-After, and nothing is changed; what is in memory is answered."""
    served = await serve(Limits())
    disk: Any = live.store.disk
    kept = request("PUT", f"{PATH}-kept", "Content-Length: 1", CLOSE, body=b"v")
    assert (await exchange(served.port, kept)).startswith(b"HTTP/1.1 201 ")
    crowds = (disk._reading, disk._writing)
    for crowd in crowds:
        crowd.most = 0
    served.admission.stats.in_flight += FEW_REQUESTS + 1
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(asked)
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"Retry-After: 1\r\n" in head
    [length] = re.findall(rb"Content-Length: (\d+)", head)
    assert "answered in time" in raw_problem(head + await reader.readexactly(int(length)), 503)
    connections: list[Any] = served.server.connections
    assert connections[-1]._was_refused  # it is not read for a time, whatever the request
    writer.close()
    answer = await exchange(served.port, request("GET", f"{PATH}-kept", CLOSE))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert served.admission.stats.shed["late"] == 1
    for crowd in crowds:
        crowd.most = sys.maxsize
    raw_problem(await exchange(served.port, request("GET", PATH, CLOSE)), 404)


@pytest.mark.parametrize("asked", WAITING, ids=lambda asked: asked.decode()[:60])
async def test_few_requests_wait_for_l3_whatever_else_does(
    serve: Serve, live: Sidecar, asked: bytes
) -> None:
    """Some clients that ask for many keys at once fill the queue, and are not refused."""
    served = await serve(Limits())
    disk: Any = live.store.disk
    for crowd in (disk._reading, disk._writing):
        crowd.most = 0
    served.admission.stats.in_flight += FEW_REQUESTS - 1
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(asked)
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.split()[1] in (b"200", b"404", b"201", b"412")
    writer.close()
    assert not disk._reading._has_refused
    assert not disk._writing._has_refused


@asynccontextmanager
async def refused_connection(
    served: Served,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection of which a request was refused, and is followed by none: the overload is over,
    though there are as many connections.
    """
    async with overloaded(served) as turns:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        assert await status_of(reader, writer) == 503
        turns.refuses, turns.refuses_until, turns.most = False, 0.0, 1000
        yield reader, writer
        writer.close()


async def status_of(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: int = 1
) -> int:
    """Of so many requests that are sent at once, which have the same."""
    writer.write(request("GET", PATH) * requests)
    statuses = set()
    for _ in range(requests):
        head = await reader.readuntil(b"\r\n\r\n")
        [length] = re.findall(rb"Content-Length: (\d+)", head)
        await reader.readexactly(int(length))
        statuses.add(int(head.split()[1]))
    [status] = statuses
    return status


@pytest.mark.parametrize("requests", [1, 2, 20])
async def test_what_is_sent_before_the_client_was_to_come_back_is_refused(
    serve: Serve, requests: int
) -> None:
    """It has waited for a second, so it is too late; it is read then, as is what follows."""
    served = await serve(Limits())
    async with refused_connection(served) as (reader, writer):
        assert await status_of(reader, writer, requests) == 503
        began = asyncio.get_running_loop().time()
        assert await status_of(reader, writer, requests) == 404
        assert asyncio.get_running_loop().time() - began < min(REST_SECONDS)
    assert served.admission.stats.shed["late"] == 1 + requests


async def test_a_client_that_comes_back_when_it_was_to_is_answered(serve: Serve) -> None:
    """As soon as there is no overload any more."""
    served = await serve(Limits())
    async with refused_connection(served) as (reader, writer):
        await asyncio.sleep(1.0)
        assert await status_of(reader, writer) == 404


async def test_a_turn_ends_when_a_connection_is_read_again(serve: Serve) -> None:
    """libuv may read all connections several times before the loop goes on: none waits for that."""
    served = await serve(Limits())
    await exchange(served.port, request("PUT", PATH, "Content-Length: 1", CLOSE, body=b"v"))
    async with overloaded(served) as turns, AsyncExitStack() as stack:
        turns.refuses, turns.most = False, 1000
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            stack.callback(writer.close)
            assert await status_of(reader, writer) == 200
        connections: list[Any] = served.server.connections[-3:]
        number = turns.number
        for _ in range(4):
            for connection in connections:
                connection.data_received(request("GET", PATH))
        assert turns.number - number == 3


async def test_a_client_that_trickles_is_read_ever_less_often(serve: Serve) -> None:
    """Its bytes come in fewer pieces than it sends, and its request is answered in the end."""
    served = await serve(Limits())
    sent = request("GET", PATH, "X-Long: " + "x" * 200, CLOSE)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    crumbs = 0
    for at in range(len(sent)):
        writer.write(sent[at : at + 1])
        await asyncio.sleep(0.002)
        connections: list[Any] = served.server.connections
        crumbs = max(crumbs, *(each._crumbs for each in connections), 0)
    raw_problem(await reader.read(), 404)
    writer.close()
    assert 8 <= crumbs < 50
