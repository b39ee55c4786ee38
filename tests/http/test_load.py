"""Clients that send too much, too slowly or too little, or do not read: nothing leaks."""

from __future__ import annotations

import asyncio
import io
import socket
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.serving.budget import Budget
from sidecar.serving.limits import Limits
from tests.http.asking import allow_l3_time, stopped
from tests.http.serving import Serve, Served, eventually, exchange, raw_problem, request

PATH = "/v1/cache/test/key"
CLOSE = "Connection: close"
MIB = 1 << 20


async def idle(served: Served) -> None:
    """Wait until no connection is open; then no bytes may count as buffered."""
    await eventually(lambda: not served.server.connections, "no connection is left")
    assert served.admission.budget.used_bytes == 0


# ---- bodies that break off, or dawdle


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /v1/ca",
        request("PUT", PATH, "Content-Length: 100000", body=b"x" * 50_000),
        request("PUT", PATH, "Transfer-Encoding: chunked", body=b"ffff\r\nabc"),
        request("POST", "/v1/mset", "Content-Length: 100", body=b'{"namespace": "test"'),
    ],
)
async def test_a_client_that_hangs_up_leaves_nothing(serve: Serve, sent: bytes) -> None:
    """No entry, no connection and no buffered bytes remain, after a close or a reset."""
    served = await serve(Limits())
    for reset in (False, True):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(sent)
        await eventually(lambda: served.server.connections, "it is connected")
        if reset:
            writer.transport.abort()
        else:
            writer.write_eof()
            await reader.read()
            writer.close()
        await idle(served)
    raw_problem(await exchange(served.port, request("GET", PATH, CLOSE)), 404)


async def test_a_body_that_takes_too_long_is_refused(serve: Serve) -> None:
    """408, which states the time limit; then the connection is closed."""
    served = await serve(Limits(body_seconds=0.05, linger_seconds=0.05))
    head = request("PUT", PATH, "Content-Length: 10", body=b"12345")
    assert "0.05 s" in raw_problem(await exchange(served.port, head), 408)
    await idle(served)


async def test_a_head_that_takes_too_long_ends_the_connection(serve: Serve) -> None:
    """It keeps a connection open no longer than an idle client does."""
    served = await serve(Limits(idle_seconds=0.05))
    assert await exchange(served.port, b"GET /v1/cache/te") == b""
    assert await exchange(served.port) == b""
    await idle(served)


async def test_a_request_may_come_byte_by_byte(serve: Serve) -> None:
    """A slow request is valid."""
    served = await serve(Limits())
    sent = request("PUT", PATH, "Transfer-Encoding: chunked", CLOSE, body=b"3\r\nabc\r\n0\r\n\r\n")
    answer = await exchange(served.port, *(sent[at : at + 1] for at in range(len(sent))))
    assert answer.startswith(b"HTTP/1.1 201 ")
    await idle(served)


# ---- too many, too much


async def test_a_connection_too_many_gets_a_503(serve: Serve) -> None:
    """503 with Retry-After, also during its request; closing a connection makes room."""
    served = await serve(Limits(connections=2, silent_seconds=60.0))
    address = ("127.0.0.1", served.port)
    first = await asyncio.open_connection(*address)
    second = await asyncio.open_connection(*address)
    await eventually(lambda: len(served.server.connections) == 2, "both are connected")
    for _ in range(20):
        answer = await exchange(served.port, request("PUT", PATH, "Content-Length: 1", body=b"v"))
        assert "2 connections" in raw_problem(answer, 503)
        assert b"Retry-After: 1\r\n" in answer
    assert served.admission.stats.shed["connections"] == 20
    first[1].close()
    await eventually(lambda: len(served.server.connections) == 1, "one is closed")
    answer = await exchange(served.port, request("GET", "/v1/stats", CLOSE))
    assert answer.startswith(b"HTTP/1.1 200 ")
    second[1].close()
    await idle(served)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /v1/cache/te", id="half-a-head"),
        pytest.param(request("PUT", PATH, "Content-Length: 9", body=b"123"), id="half-a-body"),
        pytest.param(request("GET", f"{PATH}/absent"), id="a-request"),
    ],
)
async def test_a_silent_connection_gives_way_to_a_new_one(serve: Serve, sent: bytes) -> None:
    """At the limit the one that has been silent the longest is closed, whatever it has sent."""
    served = await serve(Limits(connections=3, silent_seconds=0.0))
    address = ("127.0.0.1", served.port)
    clients = []
    for _ in range(3):
        clients.append(await asyncio.open_connection(*address))
        clients[-1][1].write(sent)
        await eventually(lambda: len(served.server.connections) == len(clients), "it is connected")
    connections: list[Any] = served.server.connections
    await eventually(lambda: None not in [each.silent_since for each in connections], "all wait")
    answer = await exchange(served.port, request("GET", "/v1/stats", CLOSE))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert served.admission.stats.shed["silent"] == 1
    await clients[0][0].read()  # until it is closed
    for _, writer in clients:
        writer.close()
    await idle(served)
    assert served.admission.connections == 0


async def test_a_connection_that_waits_for_its_answer_does_not_give_way(
    serve: Serve, live: Sidecar
) -> None:
    """A put that waits for L3 is not closed for a new connection, which gets a 503."""
    served = await serve(Limits(connections=1, silent_seconds=0.0))
    put = request("PUT", PATH, "Content-Length: 1", CLOSE, body=b"v")
    allow_l3_time(live)
    with stopped(live):
        waiting = asyncio.ensure_future(exchange(served.port, put))
        await eventually(lambda: served.admission.stats.in_flight, "the put waits")
        raw_problem(await exchange(served.port, request("GET", PATH, CLOSE)), 503)
    assert (await waiting).startswith(b"HTTP/1.1 201 ")


async def test_a_flood_of_connections_is_not_answered(serve: Serve) -> None:
    """Above a limit of concurrent refusals, connections are closed without an answer."""
    served = await serve(Limits(connections=0, refusals=1))
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
    with suppress(ConnectionError):  # ended with a reset or without one
        assert await exchange(served.port, request("GET", PATH), request("GET", PATH)) == b""
    writer.close()
    await idle(served)


async def test_bodies_under_way_are_bounded_together(serve: Serve) -> None:
    """While one client sends a large body, another gets a 503; small bodies are accepted."""
    served = await serve(Limits(linger_seconds=0.05), Budget(6 * MIB))
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(request("PUT", PATH, f"Content-Length: {4 * MIB}", body=bytes(2 * MIB)))
    await eventually(lambda: served.admission.budget.used_bytes >= 2 * MIB, "half has arrived")
    second = request("PUT", PATH, f"Content-Length: {4 * MIB}", body=bytes(2 * MIB))
    answer = await exchange(served.port, second)
    assert b"Retry-After: 1\r\n" in answer
    raw_problem(answer, 503)
    small = request("PUT", f"{PATH}/small", "Content-Length: 1", CLOSE, body=b"v")
    assert (await exchange(served.port, small)).startswith(b"HTTP/1.1 201 ")
    writer.write(bytes(2 * MIB))
    await eventually(lambda: served.admission.budget.used_bytes == 0, "the first is stored")
    got = await exchange(served.port, request("HEAD", PATH, CLOSE))
    assert b"Content-Length: 4194304\r\n" in got
    writer.close()
    await idle(served)


async def test_a_body_that_has_no_room_for_a_moment_waits(serve: Serve) -> None:
    """It is read once another one has made room, and is not refused."""
    served = await serve(Limits(), Budget(6 * MIB))
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = request("PUT", PATH, f"Content-Length: {4 * MIB}")
    writer.write(head + bytes(MIB))
    await eventually(lambda: served.admission.budget.used_bytes, "the first has begun")
    second = request("PUT", f"{PATH}/2", f"Content-Length: {4 * MIB}", CLOSE, body=bytes(4 * MIB))
    answer = asyncio.create_task(exchange(served.port, second))
    await eventually(lambda: served.admission.connections == 2, "the second has connected")
    writer.write(bytes(3 * MIB))
    assert (await answer).startswith(b"HTTP/1.1 201 ")
    writer.close()
    await idle(served)


async def test_a_body_that_can_never_fit_is_refused_at_once(serve: Serve) -> None:
    """The answer is a 413 that says how much there is room for, before anything is read."""
    served = await serve(Limits(), Budget(6 * MIB))
    put = request("PUT", PATH, f"Content-Length: {8 * MIB}", "Expect: 100-continue")
    assert "6,291,456 bytes" in raw_problem(await exchange(served.port, put), 413)
    await idle(served)


async def lazy_reader(port: int) -> socket.socket:
    """A client that requests a value and does not read the answer."""
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(lazy, ("127.0.0.1", port))
    await loop.sock_sendall(lazy, request("GET", PATH))
    return lazy


async def test_slow_readers_are_bounded_together(
    serve: Serve, client: aiohttp.ClientSession
) -> None:
    """Their large answers count; above the limit there is a 503, while small ones are served."""
    served = await serve(Limits(), Budget(20 * MIB))
    await client.put(PATH, data=io.BytesIO(bytes(8 * MIB)))
    await client.put(f"{PATH}/small", data=b"v")
    lazy = [await lazy_reader(served.port) for _ in range(2)]
    await eventually(lambda: served.admission.budget.used_bytes >= 16 * MIB, "both are waited for")
    answer = await exchange(served.port, request("GET", PATH, CLOSE))
    assert b"Retry-After: 1\r\n" in answer
    raw_problem(answer, 503)
    assert served.admission.stats.shed["buffers"] == 1
    small = await exchange(served.port, request("GET", f"{PATH}/small", CLOSE))
    assert small.endswith(b"\r\n\r\nv")
    for each in lazy:
        each.close()
    await idle(served)


async def test_a_slow_reader_gets_all_in_the_end(
    serve: Serve, client: aiohttp.ClientSession
) -> None:
    """A large value arrives whole, however slowly it is read."""
    served = await serve(Limits())
    value = bytes(range(256)) * (MIB // 32)
    await client.put(PATH, data=io.BytesIO(value))
    lazy = await lazy_reader(served.port)
    await eventually(lambda: served.admission.budget.used_bytes, "it is waited for")
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < len(value):
        received += await loop.sock_recv(lazy, MIB)
    assert (
        received.partition(b"\r\n\r\n")[2]
        == value[: len(received) - received.index(b"\r\n\r\n") - 4]
    )
    await eventually(lambda: served.admission.budget.used_bytes == 0, "nothing is waited for")
    lazy.close()
    await idle(served)


async def test_a_client_that_never_reads_is_ended(
    serve: Serve, client: aiohttp.ClientSession
) -> None:
    """After the timeout its connection is closed and its bytes are freed."""
    served = await serve(Limits(send_seconds=0.05))
    await client.put(PATH, data=io.BytesIO(bytes(8 * MIB)))
    lazy = await lazy_reader(served.port)
    await eventually(lambda: served.admission.budget.used_bytes, "it is waited for")
    await idle(served)
    lazy.close()


async def test_a_pipeline_of_a_client_that_does_not_read_waits(
    serve: Serve, client: aiohttp.ClientSession
) -> None:
    """The answers to thousands of small requests are not buffered in memory."""
    served = await serve(Limits(send_seconds=0.05))
    await client.put(PATH, data=bytes(10_000))
    lazy = await lazy_reader(served.port)
    with pytest.raises(ConnectionError):  # the server has given up on it
        await asyncio.get_running_loop().sock_sendall(lazy, request("GET", PATH) * 200_000)
    await idle(served)
    lazy.close()
