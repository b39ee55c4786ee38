"""The memory of heads that come in pieces, and of requests that wait behind one at work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.http.pipeline import HEAD_COPIES
from sidecar.serving.budget import PIECES_PART, Budget
from sidecar.serving.limits import Limits
from tests.http.asking import connected, idle, only_in_l3, path, stopped
from tests.http.serving import Serve, eventually, raw_problem, request

HEAD = request("GET", path("x"), *[f"X-{number}: {'x' * 1000}" for number in range(12)])
LENGTH = "Content-Length: 10000"
BEGUN, REST = HEAD[:8000], HEAD[8000:]


@asynccontextmanager
async def connection_to(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_an_unfinished_head_takes_memory_until_it_is_complete(serve: Serve) -> None:
    """Also if it begins behind a request, and whatever has come of it."""
    served = await serve(Limits())
    budget = served.admission.budget
    async with connection_to(served.port) as (reader, writer):
        for number, before in enumerate([b"", request("GET", path("y"))], 1):
            writer.write(before + BEGUN)
            await eventually(
                lambda: budget.pieces_bytes == HEAD_COPIES * len(BEGUN), "it is counted"
            )
            writer.write(REST[:2000])
            await eventually(lambda: budget.pieces_bytes > HEAD_COPIES * 9000, "so is more of it")
            writer.write(REST[2000:])
            for _ in range(number):
                answer = await asyncio.wait_for(reader.readuntil(b"}"), 5)
                raw_problem(answer, 404)
            await eventually(lambda: budget.pieces_bytes == 0, "its memory is given back")


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
