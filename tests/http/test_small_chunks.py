"""Bodies in many small chunks: a chunk of a byte takes the parser as long as a large one."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.http.reading import SLICE_BYTES
from sidecar.http.unhandled import HEAD_COPIES
from sidecar.serving.budget import PIECES_PART, Budget
from sidecar.serving.limits import Limits
from tests.http.asking import CLOSE, connected, connection_to, get, idle, path, put
from tests.http.serving import Serve, eventually, exchange, raw_problem, request

CHUNKED = "Transfer-Encoding: chunked"
VALUE = bytes(range(256)) * 160


def in_chunks(value: bytes, size: int) -> bytes:
    chunks = [value[start : start + size] for start in range(0, len(value), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


UPLOAD = request("PUT", path("small"), CHUNKED, body=in_chunks(VALUE, 1))


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_they_are_stored_whole_and_in_order(live: Sidecar, size: int) -> None:
    """Whatever comes before and behind them in the same piece."""
    upload = request("PUT", path("small"), CHUNKED, body=in_chunks(VALUE, size))
    ends = get("small", CLOSE)
    answer = await exchange(live.ports["http"], put("a", b"1") + upload + get("a") + upload + ends)
    statuses = [each.split(b" ", 1)[0] for each in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"201", b"201", b"200", b"204", b"200"]
    assert answer.endswith(VALUE)
    await idle(live)


async def test_others_are_answered_meanwhile(live: Sidecar) -> None:
    """One slice is parsed in each turn of the loop."""
    async with connected(live) as (reader, writer), connected(live) as (other, asking):
        asking.write(put("a", b"1"))
        await other.readuntil(b"\r\n\r\n")
        writer.write(UPLOAD)
        answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
        answered = 0
        while not answer.done():
            asking.write(get("a"))
            await other.readuntil(b"\r\n\r\n1")
            answered += 1
        assert (await answer).startswith(b"HTTP/1.1 201")
    assert answered > len(UPLOAD) / SLICE_BYTES / 8


@pytest.mark.parametrize("begun", [0, 100], ids=["new", "begun"])
async def test_without_memory_they_are_refused(serve: Serve, begun: int) -> None:
    """What waits to be parsed is counted, and its request is answered."""
    served = await serve(Limits(), Budget(PIECES_PART * HEAD_COPIES * 20_000))
    async with connection_to(served.port) as (reader, writer):
        writer.write(UPLOAD[:begun])
        await eventually(lambda: served.admission.stats.in_flight == (begun > 0), "it is at work")
        writer.write(UPLOAD[begun:])
        answer = await asyncio.wait_for(reader.read(), 10)
        assert "Too many large bodies" in raw_problem(answer, 503)
    await eventually(lambda: served.admission.budget.pieces_bytes == 0, "nothing is held")


async def test_a_client_that_goes_away_leaves_nothing(live: Sidecar) -> None:
    budget = live.admissions["http"].budget
    async with connected(live) as (_, writer):
        writer.write(UPLOAD)
        await eventually(lambda: budget.pieces_bytes > len(VALUE), "what is left is counted")
        writer.transport.abort()
    await eventually(lambda: budget.pieces_bytes == 0, "nothing is held")
    await idle(live)
