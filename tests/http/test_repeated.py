"""Requests with header fields that were parsed before are those that the parser would give."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage

from sidecar.app.sidecar import Sidecar
from sidecar.http.pipeline import MOST_NEWS
from sidecar.http.repeated import MOST_BYTES, MOST_FIELD_BYTES, MOST_KNOWN, Repeated, is_all
from sidecar.serving.limits import Limits
from tests.http.asking import (
    CLOSE,
    allow_l3_time,
    ask,
    connected,
    get,
    idle,
    only_in_l3,
    path,
    put,
    stopped,
)
from tests.http.serving import PATIENCE_SECONDS, Serve, Served, eventually, request

SEED = 20261129
PARTS = (
    *("method", "path", "version", "headers", "raw_headers"),
    *("should_close", "compression", "upgrade", "chunked"),
)


def parsed(data: bytes) -> tuple[RawRequestMessage, bytes, bool] | None:
    """What aiohttp's parser gives for data that begins with a request: message, body, and whether
    that is all; None for an error, and for no request or several.
    """
    loop = asyncio.get_running_loop()
    parser = cast(Any, HttpRequestParser)(BaseProtocol(loop), loop, 2**16, auto_decompress=False)
    try:
        messages, _, _ = parser.feed_data(data)
    except Exception:  # noqa: BLE001  (any error)
        return None
    if len(messages) != 1:
        return None
    message, payload = messages[0]
    whole = is_all(data, payload)
    return message, payload.read_nowait() if whole and payload.total_bytes else b"", whole


async def test_what_is_repeated_is_what_the_parser_gives() -> None:
    """Random requests, of which many repeat fields and many are broken in one place."""
    rng = random.Random(SEED)
    repeated, found = Repeated(), 0
    for _ in range(20_000):
        data = drawn(rng)
        given, known = parsed(data), repeated.request(data)
        if known is None:
            if given is not None and given[2]:
                repeated.add(data, given[0])
            continue
        found += 1
        assert given is not None, data
        assert given[2], data
        assert [getattr(known[0], part) for part in PARTS] == [
            getattr(given[0], part) for part in PARTS
        ], data
        assert known[1] == given[1]
    assert found > 2_000, f"only {found} were repeated with seed {SEED}"


def drawn(rng: random.Random) -> bytes:
    method = rng.choice(["GET", "PUT", "DELETE", "HEAD"])
    target = rng.choice(["/v1/cache/a/b", "/v1/cache/a/%20?ttl=5", "/", "//x", "/a#b", "*", "/é"])
    fields = [
        "Host: h",
        *rng.sample(
            ["Accept: */*", "accept: */*", "X:  y", "Cookie: a\tb", CLOSE], rng.randrange(3)
        ),
    ]
    body = b"v" * rng.randrange(4) if method == "PUT" else b""
    if method == "PUT" and rng.random() < 0.9:
        fields.append(f"Content-Length: {len(body) + (rng.random() < 0.1)}")
    version = "HTTP/1.1" if rng.random() < 0.95 else "HTTP/1.0"
    line = f"{method} {target} {version}"
    data = "\r\n".join([line, *fields, "", ""]).encode() + body
    if rng.random() < 0.3:
        at = rng.randrange(len(data))
        data = (
            data[:at] + rng.choice([b"", b"\r\n", b" ", b"\0", b":", b"G", data]) + data[at + 1 :]
        )
    return data


def test_only_so_much_is_kept() -> None:
    repeated = Repeated()
    message = cast(Any, RawRequestMessage)(
        "GET", "/", None, None, (), False, None, False, False, None
    )
    for number in range(3 * MOST_KNOWN):
        repeated.add(request("GET", "/a", f"X: {number}"), message)
        assert len(repeated._known) <= MOST_KNOWN
    assert repeated.request(request("GET", "/b", f"X: {number}")) is not None
    large = request("GET", "/a", f"X: {'x' * MOST_FIELD_BYTES}")
    repeated.add(large, message)
    assert repeated.request(large) is None
    body = bytes(MOST_BYTES)
    repeated.add(request("PUT", "/a", f"Content-Length: {len(body)}", body=body), message)
    assert len(repeated._known) <= MOST_KNOWN


async def test_a_repeated_request_is_not_parsed(serve: Serve) -> None:
    """Not with another key either; one with another field is, or with another length."""
    served = await serve(Limits())
    async with opened(served) as (reader, writer):
        [connection] = served.server.connections
        connection._parser = parser = cast(Any, Counting(connection._parser))
        for data, parses in (
            (put("a", b"1"), 1),
            (put("b", b"2"), 1),
            (put("b", b"22"), 2),
            (get("a"), 3),
            (get("b"), 3),
            (get("b", "X: y"), 4),
            (get("a", "X: y"), 4),
            (request("DELETE", path("a")), 5),
            (request("DELETE", path("b")), 5),
            (put("a", b"3"), 5),
            (get("a"), 5),
        ):
            writer.write(data)
            status, body = await answer(reader)
            assert status in {200, 201, 204}
            assert parser.pieces == parses, data
        assert body == b"3"


async def test_fields_that_never_repeat_are_soon_not_kept(serve: Serve) -> None:
    """As with the identifiers of traces; a client whose fields repeat is not concerned."""
    served = await serve(Limits())
    async with opened(served) as (reader, writer):
        for number in range(3 * MOST_NEWS):
            writer.write(get("a", f"traceparent: {number}"))
            assert (await answer(reader))[0] == 404
    assert len(served.server._repeated._known) == MOST_NEWS
    async with opened(served) as (reader, writer):
        [connection] = served.server.connections
        connection._parser = parser = cast(Any, Counting(connection._parser))
        for number in range(3 * MOST_NEWS):
            writer.write(get("a", f"X: {number}"))
            assert (await answer(reader))[0] == 404
            writer.write(get("a"))
            assert (await answer(reader))[0] == 404
        assert parser.pieces == 3 * MOST_NEWS + 1


async def test_what_looks_like_a_known_request_is_a_body_where_one_is_due(serve: Serve) -> None:
    """After a head without its body, in a chunked body, and behind a request that waits."""
    served = await serve(Limits())
    inner = get("inner")
    for first, rest in (
        (put("outer", inner)[: -len(inner)], inner),
        (put("outer", b"1" + inner)[: -len(inner)], inner),
        (request("PUT", path("outer"), "Transfer-Encoding: chunked"), b"%x\r\n" % len(inner)),
    ):
        async with opened(served) as (reader, writer):
            writer.write(inner)
            assert (await answer(reader))[0] == 404
            writer.write(first)
            await asyncio.sleep(0.05)
            writer.write(rest)
            if rest is not inner:
                await asyncio.sleep(0.05)
                writer.write(inner)
                await asyncio.sleep(0.05)
                writer.write(b"\r\n0\r\n\r\n")
            assert (await answer(reader))[0] in {201, 204}
            writer.write(get("outer"))
            assert (await answer(reader))[1].endswith(inner)
            writer.write(inner)
            assert (await answer(reader))[0] == 404


async def test_known_requests_wait_for_their_turn(live: Sidecar) -> None:
    """Behind one that waits for L3 and behind one that the task handles, each in its own piece."""
    await only_in_l3(live, "deep")
    await ask(live, put("hot", b"hot", CLOSE))
    allow_l3_time(live)
    known = get("hot")
    async with connected(live) as (reader, writer):
        for first, status in ((get("deep"), 200), (put("new", b"v", "If-None-Match: *"), 201)):
            writer.write(known)
            assert await answer(reader) == (200, b"hot")
            with stopped(live):
                writer.write(first)
                for _ in range(3):
                    await asyncio.sleep(0.02)
                    writer.write(known)
                await asyncio.sleep(0.02)
            assert (await answer(reader))[0] == status
            for _ in range(3):
                assert await answer(reader) == (200, b"hot")
    await idle(live)


@asynccontextmanager
async def opened(
    served: Served,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        await eventually(lambda: served.server.connections, "it is accepted")
        yield reader, writer
    finally:
        writer.close()
        await eventually(lambda: not served.server.connections, "it is closed")


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        return int(head[9:12]), await reader.readexactly(int(length[1]) if length else 0)


class Counting:
    """aiohttp's parser, with a count of the pieces that it gets."""

    def __init__(self, parser: object) -> None:
        self._parser = parser
        self.pieces = 0

    def feed_data(self, data: bytes) -> Any:
        self.pieces += bool(data)
        return cast(Any, self._parser).feed_data(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)
