"""The memory of heads that come in pieces, and of requests that wait behind one at work."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.http.connection import Connection
from sidecar.http.pipeline import RECOUNT_SECONDS
from sidecar.http.unhandled import FIELD_BYTES, HEAD_COPIES, REQUEST_BYTES
from sidecar.serving.budget import PIECES_PART, Budget
from sidecar.serving.limits import Limits
from tests.http.asking import connected, connection_to, idle, only_in_l3, path, stopped
from tests.http.serving import Serve, eventually, raw_problem, request

HEAD = request("GET", path("x"), *[f"X-{number}: {'x' * 1000}" for number in range(12)])
LENGTH = "Content-Length: 10000"
BEGUN, REST = HEAD[:8000], HEAD[8000:]
BEGUN_MEMORY = HEAD_COPIES * len(BEGUN) + FIELD_BYTES * BEGUN.count(b"\n")


async def test_an_unfinished_head_takes_memory_until_it_is_complete(serve: Serve) -> None:
    """Also if it begins behind a request, and whatever has come of it."""
    served = await serve(Limits())
    budget = served.admission.budget
    async with connection_to(served.port) as (reader, writer):
        for number, before in enumerate([b"", request("GET", path("y"))], 1):
            writer.write(before + BEGUN)
            await eventually(lambda: budget.pieces_bytes == BEGUN_MEMORY, "it is counted")
            writer.write(REST[:2000])
            await eventually(lambda: budget.pieces_bytes > HEAD_COPIES * 9000, "so is more of it")
            writer.write(REST[2000:])
            for _ in range(number):
                answer = await asyncio.wait_for(reader.readuntil(b"}"), 5)
                raw_problem(answer, 404)
            await eventually(lambda: budget.pieces_bytes == 0, "its memory is given back")


async def test_short_fields_take_more_memory_than_their_bytes(serve: Serve) -> None:
    """A field of five bytes is several objects; as many as may come in one head are counted."""
    served = await serve(Limits())
    budget = served.admission.budget
    head = request("GET", path("x")).removesuffix(b"\r\n")
    async with connection_to(served.port) as (_, writer):
        writer.write(head + b"".join(b"%d: \r\n" % number for number in range(120)))
        await eventually(lambda: budget.pieces_bytes > 120 * FIELD_BYTES, "they are counted")
    await eventually(lambda: budget.pieces_bytes == 0, "their memory is given back")


async def test_small_requests_that_wait_take_memory(live: Sidecar) -> None:
    """Each is several objects, however few bytes it has."""
    budget = live.admissions["http"].budget
    await only_in_l3(live, "deep")
    async with connected(live) as (_, writer):
        with stopped(live):
            writer.write(request("GET", path("deep")))
            for _ in range(20):
                writer.write(request("GET", path("y")))
            await eventually(lambda: budget.pieces_bytes > 20 * REQUEST_BYTES, "they are counted")
    await idle(live)


async def test_queued_requests_take_memory_until_they_are_handled(live: Sidecar) -> None:
    """However large their heads are: one may have 128 fields of 8 KiB."""
    budget = live.admissions["http"].budget
    await only_in_l3(live, "deep")
    async with connected(live) as (reader, writer):
        with stopped(live):
            writer.write(request("GET", path("deep")))
            writer.write(HEAD)
            await eventually(lambda: budget.pieces_bytes, "it is counted")
            writer.write(HEAD)
            await eventually(lambda: budget.pieces_bytes >= HEAD_COPIES * 2 * len(HEAD), "so is it")
        await asyncio.wait_for(reader.readuntil(b"deep......"), 10)
        for _ in range(2):
            raw_problem(await asyncio.wait_for(reader.readuntil(b"}"), 10), 404)
    await idle(live)


@pytest.mark.parametrize("cuts", [(), (-5000,), (50, -9000, -1)])
async def test_a_body_is_no_head(serve: Serve, cuts: tuple[int, ...]) -> None:
    """However it comes, and though the fields of each request differ."""
    served = await serve(Limits())
    async with connection_to(served.port) as (reader, writer):
        for number in range(40):
            data = request("PUT", path("x"), f"X: {number}", LENGTH, body=bytes(10_000))
            ends = [*cuts, len(data)]
            for start, end in zip([0, *cuts], ends, strict=True):
                writer.write(data[start:end])
                await asyncio.sleep(0.002 if cuts else 0)
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert answer.startswith(b"HTTP/1.1 20")
            await eventually(lambda: served.admission.budget.pieces_bytes == 0, "none is counted")


@pytest.mark.parametrize("before", [b"", 2 * request("GET", path("y"))])
@pytest.mark.parametrize("pieces", [1, 4])
async def test_a_head_without_memory_is_refused(serve: Serve, pieces: int, before: bytes) -> None:
    """Once, with those that came with it in one piece; the memory is given back."""
    budget = Budget(PIECES_PART * HEAD_COPIES * (len(BEGUN) + 1000))
    served = await serve(Limits(), budget)
    first, second = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]
    first[1].write(BEGUN)
    await eventually(lambda: budget.pieces_bytes, "the first one is counted")
    data = before + BEGUN
    step = len(data) // pieces + 1
    for start in range(0, len(data), step):
        second[1].write(data[start : start + step])
        await asyncio.sleep(0.02)
    answers = (await asyncio.wait_for(second[0].read(), 5)).split(b"HTTP/1.1 ")[1:]
    raw_problem(b"HTTP/1.1 " + answers.pop(), 503)
    assert [answer[:3] for answer in answers] in ([], [b"404"] * 2)
    assert served.admission.stats.shed["buffers"] == 1
    for _, writer in (first, second):
        writer.close()
    await eventually(lambda: budget.pieces_bytes == 0, "nothing is held")


async def test_a_window_of_requests_that_never_closes_holds_no_more_than_itself(
    serve: Serve,
) -> None:
    """A client that sends a request for each answer is not asked for the memory of all of them."""
    served = await serve(Limits())
    budget, window, value = served.admission.budget, 16, bytes(4000)
    data = request("PUT", path("x"), f"Content-Length: {len(value)}", body=value)
    async with connection_to(served.port) as (reader, writer):
        writer.write(window * data)
        for _ in range(1000):
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            assert answer.startswith(b"HTTP/1.1 20")
            writer.write(data)
            assert budget.pieces_bytes <= 4 * window * HEAD_COPIES * len(data)
        for _ in range(window):
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        await eventually(lambda: budget.pieces_bytes == 0, "nothing is held")


async def test_a_head_takes_memory_until_its_request_is_answered(serve: Serve) -> None:
    """While the body is awaited, its fields are kept."""
    served = await serve(Limits())
    budget = served.admission.budget
    head = HEAD.replace(b"GET", b"PUT", 1).replace(b"\r\n", b"\r\nContent-Length: 2\r\n", 1)
    async with connection_to(served.port) as (reader, writer):
        writer.write(head + b"x")
        await eventually(lambda: budget.pieces_bytes >= HEAD_COPIES * len(HEAD), "it is counted")
        await asyncio.sleep(3 * RECOUNT_SECONDS)
        assert budget.pieces_bytes >= HEAD_COPIES * len(HEAD)
        writer.write(b"x")
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert answer.startswith(b"HTTP/1.1 201")
        await eventually(lambda: budget.pieces_bytes == 0, "its memory is given back")


class Eager(asyncio.Protocol):
    """A connection whose first data comes before its task has begun."""

    def __init__(self, connection: Connection, data: bytes) -> None:
        self._connection, self._data = connection, data
        self.data_received = connection.data_received  # type: ignore[method-assign]
        self.connection_lost = connection.connection_lost  # type: ignore[method-assign]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection.connection_made(transport)
        self._connection.data_received(self._data)


async def test_a_first_request_without_memory_is_answered(serve: Serve) -> None:
    """Nothing is before it, so that its client can be told."""
    budget = Budget(PIECES_PART * 8000)
    served = await serve(Limits(), budget)
    put = request("PUT", path("y"), "Content-Length: 20000", body=bytes(12_000))
    ours, theirs = socket.socketpair()
    eager = Eager(served.server(), put)
    await asyncio.get_running_loop().connect_accepted_socket(lambda: eager, theirs)
    reader, writer = await asyncio.open_connection(sock=ours)
    raw_problem(await asyncio.wait_for(reader.read(), 5), 503)
    writer.close()
    await eventually(lambda: budget.pieces_bytes == 0, "nothing is held")


async def test_a_task_that_was_woken_for_what_is_refused_ends(serve: Serve) -> None:
    """More may come in the turn in which it was woken, for which there is no memory."""
    budget = Budget(PIECES_PART * HEAD_COPIES * (len(HEAD) + 1000))
    served = await serve(Limits(), budget)
    async with connection_to(served.port) as (reader, writer):
        writer.write(request("GET", path("x")))
        raw_problem(await asyncio.wait_for(reader.readuntil(b"}"), 5), 404)
        connections: list[Any] = served.server.connections
        [connection] = connections
        task = connection._task_handler
        connection.data_received(request("GET", path("x?left=to-the-task")))
        for _ in range(2):
            connection.data_received(HEAD)
        raw_problem(await asyncio.wait_for(reader.read(), 5), 503)
        assert task.cancelled()
    await eventually(lambda: budget.pieces_bytes == 0, "nothing is held")


@pytest.mark.parametrize("number", [1, 31, 32, 40])
async def test_a_head_behind_many_requests_is_counted(serve: Serve, number: int) -> None:
    """Also what the parser leaves for later, with more requests than may wait."""
    served = await serve(Limits())
    budget = served.admission.budget
    async with connection_to(served.port) as (reader, writer):
        writer.write(number * request("GET", path("y")) + BEGUN)
        for _ in range(number):
            raw_problem(await asyncio.wait_for(reader.readuntil(b"}"), 5), 404)
        await asyncio.sleep(3 * RECOUNT_SECONDS)
        assert len(BEGUN) <= budget.pieces_bytes / HEAD_COPIES <= len(BEGUN) + 4096


@pytest.mark.parametrize("is_refused", [True, False], ids=["refused", "idle"])
async def test_a_client_that_reads_nothing_holds_nothing_and_is_ended(
    serve: Serve, *, is_refused: bool
) -> None:
    """A transport closes when its client has read all, which may be never."""
    budget = Budget(PIECES_PART * HEAD_COPIES * 20_000)
    idle_seconds = 75.0 if is_refused else 0.5
    limits = Limits(send_seconds=1.0, linger_seconds=0.1, idle_seconds=idle_seconds)
    served = await serve(limits, budget)
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", served.port))
        value = bytes(15_000)
        put = request("PUT", path("x"), f"Content-Length: {len(value)}", body=value)
        await loop.sock_sendall(client, put)
        await eventually(lambda: served.server.connections, "it is connected")
        link = served.server.connections[0].transport
        assert link is not None
        while not link.get_write_buffer_size():
            await loop.sock_sendall(client, request("GET", path("x")))
            await asyncio.sleep(0.002)
        if is_refused:
            fields = 14 * (b"Y: " + 1000 * b"y" + b"\r\n")
            await loop.sock_sendall(client, BEGUN + b"\r\n" + fields)
            await eventually(lambda: served.admission.stats.shed["buffers"], "it is refused")
        assert budget.pieces_bytes == 0
        await eventually(lambda: served.admission.connections == 0, "it is ended")


async def test_an_error_of_the_parser_gives_nothing_back_of_what_is_queued(live: Sidecar) -> None:
    """The requests before it are still to be answered."""
    budget = live.admissions["http"].budget
    await only_in_l3(live, "deep")
    async with connected(live) as (reader, writer):
        with stopped(live):
            writer.write(request("GET", path("deep")))
            writer.write(HEAD)
            await eventually(lambda: budget.pieces_bytes >= HEAD_COPIES * len(HEAD), "it counts")
            writer.write(b"\0\r\n\r\n")
            await asyncio.sleep(3 * RECOUNT_SECONDS)
            assert budget.pieces_bytes >= HEAD_COPIES * len(HEAD) - 1000
        await asyncio.wait_for(reader.readuntil(b"deep......"), 10)
        raw_problem(await asyncio.wait_for(reader.readuntil(b"}"), 10), 404)
        raw_problem(await asyncio.wait_for(reader.read(), 10), 400)
    await idle(live)


async def test_what_is_behind_an_upgrade_takes_memory_until_that_is_declined(live: Sidecar) -> None:
    """Then it is requests like any others, and an idle connection holds nothing."""
    budget = live.admissions["http"].budget
    await only_in_l3(live, "deep")
    async with connected(live) as (reader, writer):
        with stopped(live):
            upgrade = ("Connection: upgrade", "Upgrade: websocket")
            writer.write(request("GET", path("deep"), *upgrade) + HEAD)
            await eventually(lambda: budget.pieces_bytes >= HEAD_COPIES * len(HEAD), "it counts")
        await asyncio.wait_for(reader.readuntil(b"deep......"), 10)
        raw_problem(await asyncio.wait_for(reader.readuntil(b"}"), 10), 404)
        await eventually(lambda: budget.pieces_bytes == 0, "nothing is held")
    await idle(live)
