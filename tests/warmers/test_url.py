"""URLs as sources: bounded, never followed elsewhere, with errors that say why."""

from __future__ import annotations

import asyncio
import gzip
import socket

import msgspec
import pytest

from tests.origins.server import Request, serving
from tests.warmers.warming import Warming, lines, of_url

ENTRIES = [(f"k{number}", f"value {number}") for number in range(500)]


def response(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def test_ndjson_is_loaded(warming: Warming) -> None:
    content = lines(ENTRIES)
    async with serving(response(content)) as server:
        figures = await warming.run(of_url(f"{server.url}/export?all=1"))
        [request] = server.requests
    assert (figures.result, figures.loaded) == ("succeeded", 500)
    assert figures.total_bytes == figures.read_bytes == len(content)
    assert (request.target, request.headers["accept-encoding"]) == ("/export?all=1", "identity")
    assert await warming.value(b"n/k499") == b"value 499"


async def test_messagepack_is_loaded(warming: Warming) -> None:
    """Keys and values may be binary."""
    body = b"".join(
        msgspec.msgpack.encode({"key": bytes((number, 255)), "value": b"\xff\0", "ttl": 60})
        for number in range(100)
    )
    async with serving(response(body)) as server:
        figures = await warming.run(of_url(server.url))
    assert (figures.result, figures.loaded) == ("succeeded", 100)
    assert await warming.value(b"n/\x63\xff") == b"\xff\0"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (response(b"", status="404 Not Found"), "answered with 404."),
        (response(b"", status="503 Busy"), "answered with 503."),
        (response(b"", "Location: http://10.0.0.1/", status="302 Found"), "redirects"),
        (response(gzip.compress(b"{}", mtime=0), "Content-Encoding: gzip"), "Content-Encoding"),
        (b"nonsense\r\n\r\n", "not valid HTTP"),
        (response(lines(ENTRIES))[:-5], "ended the connection"),
    ],
)
async def test_any_other_response_fails_with_the_reason(
    warming: Warming, answer: bytes, why: str
) -> None:
    async def answered(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with serving(answered) as server:
        figures = await warming.run(of_url(server.url))
        assert len(server.requests) == 1
    assert figures.result == "failed"
    assert why in str(figures.reason)


async def test_a_server_that_is_away_fails(warming: Warming) -> None:
    with socket.socket() as bound:  # nobody listens there
        bound.bind(("127.0.0.1", 0))
        figures = await warming.run(of_url(f"http://127.0.0.1:{bound.getsockname()[1]}/"))
    assert figures.result == "failed"
    assert "cannot be reached: Connection refused" in str(figures.reason)


async def test_a_server_that_stops_sending_ends_with_the_deadline(warming: Warming) -> None:
    """What it sent is loaded."""

    async def answered(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(response(lines(ENTRIES) * 2)[: -len(lines(ENTRIES))])
        await writer.drain()
        await asyncio.Event().wait()

    async with serving(answered) as server:
        figures = await warming.run(of_url(server.url, deadline_seconds=1.5))
        server.stop()
    assert figures.result == "timed_out"
    assert "did not end within its deadline of 1.5 s" in str(figures.reason)
    assert figures.loaded == 500
