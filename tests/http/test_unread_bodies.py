"""The memory of bodies that nobody reads yet, or at all."""

from __future__ import annotations

import asyncio

from sidecar.app.sidecar import Sidecar
from sidecar.http.unhandled import HEAD_COPIES, Unhandled
from sidecar.serving.limits import Limits
from tests.http.asking import connected, connection_to, idle, only_in_l3, path, stopped
from tests.http.serving import Serve, eventually, raw_problem, request


async def test_a_body_behind_a_request_at_work_takes_memory(live: Sidecar) -> None:
    """Nobody reads it yet, and nobody else counts it."""
    budget = live.admissions["http"].budget
    await only_in_l3(live, "deep")
    async with connected(live) as (reader, writer):
        with stopped(live):
            writer.write(request("GET", path("deep")))
            await asyncio.sleep(0.05)
            writer.write(request("PUT", path("y"), "Content-Length: 200000") + bytes(100_000))
            await eventually(lambda: budget.pieces_bytes >= 100_000, "it is counted")
            assert budget.pieces_bytes < 2 * 100_000
        writer.write(bytes(100_000))
        await asyncio.wait_for(reader.readuntil(b"deep......"), 10)
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        assert answer.startswith(b"HTTP/1.1 201")
    await idle(live)


async def test_the_body_of_a_refused_request_is_no_head(serve: Serve) -> None:
    """It is dropped while it arrives."""
    served = await serve(Limits())
    async with connection_to(served.port) as (reader, writer):
        writer.write(request("POST", "/nothing", "Content-Length: 400000"))
        for _ in range(8):
            writer.write(bytes(50_000))
            await asyncio.sleep(0.01)
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert answer.startswith(b"HTTP/1.1 404")
        await eventually(lambda: served.admission.budget.pieces_bytes == 0, "none is counted")
        writer.write(request("GET", path("y")))
        await asyncio.wait_for(reader.readuntil(b"HTTP/1.1 404"), 5)


def test_what_the_parser_keeps_of_a_body_is_left_to_its_reader() -> None:
    """It may keep most of a piece while the body is not read. Behind its end it may be a head."""
    unhandled = Unhandled()
    unhandled.goes_on(bytes(200_000), 50_000, is_end=False)
    assert unhandled.memory == 0
    unhandled.goes_on(b"", 100_000, is_end=True)
    assert unhandled.memory == HEAD_COPIES * 50_000


async def test_a_body_that_its_request_does_not_read_takes_memory(live: Sidecar) -> None:
    """Until the request is answered, and the rest of its body is dropped."""
    budget = live.admissions["http"].budget
    await only_in_l3(live, "deep")
    async with connected(live) as (reader, writer):
        with stopped(live):
            writer.write(request("GET", path("deep"), "Content-Length: 100000"))
            await asyncio.sleep(0.05)
            for number in range(1, 11):
                writer.write(bytes(10_000))
                await eventually(lambda: budget.pieces_bytes >= 10_000 * number, "it counts")  # noqa: B023
        await asyncio.wait_for(reader.readuntil(b"deep......"), 10)
        await eventually(lambda: budget.pieces_bytes == 0, "nothing is held")
        writer.write(request("GET", path("absent")))
        raw_problem(await asyncio.wait_for(reader.readuntil(b"}"), 10), 404)
    await idle(live)
