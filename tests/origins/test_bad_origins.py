"""Origins that answer with anything but what was asked for."""

from __future__ import annotations

import asyncio
import gzip
import re
import zlib

import pytest

from sidecar.origins.allowed import Allowed
from sidecar.origins.errors import TooManyFetchesError
from sidecar.origins.fetch import MAX_FIELD_BYTES, MAX_FIELDS
from sidecar.origins.results import Fetched
from sidecar.serving.budget import Budget
from tests.http.serving import eventually
from tests.origins.loading import TERMS, failure, origin_at, origin_with
from tests.origins.server import Request, response, sending
from tests.running import free_port

PIECE = bytes(64 << 10)
SHORT_SECONDS = 0.2
"""The hard timeout of an origin that exceeds any."""


@pytest.mark.parametrize(
    "status", [201, 202, 203, 204, 205, 206, 226, 300, 304, 305, 399, 600, 999]
)
async def test_a_success_without_the_value_is_an_error(status: int) -> None:
    """So is a 304 that nobody asked for; such an answer is no sign of an ill origin."""
    async with origin_with(response(status, b"part", "Content-Range: bytes 0-3/9")) as (origin, _):
        error = await failure(origin)
        assert (error.kind, error.status, error.is_ill) == ("unusable", 502, False)
        assert str(status) in str(error)


async def test_a_switch_of_protocols_is_an_error() -> None:
    async with origin_with(sending(b"HTTP/1.1 101 Of a test\r\nUpgrade: h2c\r\n\r\n")) as (it, _):
        assert (await failure(it)).status == 502


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
async def test_an_origin_that_fails_is_an_error(status: int) -> None:
    async with origin_with(response(status, b"sorry")) as (origin, _):
        error = await failure(origin)
        assert (error.kind, error.status, error.is_ill) == ("status", 502, True)


async def test_a_body_that_is_too_large_is_not_begun() -> None:
    """1 GiB by its Content-Length, of which nothing more than the head needs to arrive."""
    async with origin_with(response(200, b"", length=1 << 30)) as (origin, server):
        error = await failure(origin)
        assert (error.kind, error.is_ill) == ("too_large", False)
        assert f"{TERMS.max_value_bytes:,} bytes" in str(error)
        await eventually(lambda: not server.open, "the connection is closed")


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_without_a_length_is_read_to_the_bound_only(*, chunked: bool) -> None:
    """1 GiB, or one that never ends: the origin can send little more than the bound and what the
    sockets hold.
    """
    sent = 0

    async def endless(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"\r\n")
        while sent < 1 << 30:
            writer.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE)
            await writer.drain()
            sent += len(PIECE)

    budget = Budget()
    async with origin_with(endless, memory=budget) as (origin, server):
        assert (await failure(origin)).kind == "too_large"
        await eventually(lambda: not server.open, "the connection is closed")
    assert sent < 64 << 20
    assert budget.used_bytes == 0


async def test_a_body_of_just_the_bound_is_a_value() -> None:
    value = bytes(TERMS.max_value_bytes)
    async with origin_with(response(200, value)) as (origin, _):
        result = await origin.load(b"a", TERMS)
        assert isinstance(result, Fetched)
        assert result.value == value


async def test_a_body_that_does_not_fit_into_the_memory_of_requests_is_given_up() -> None:
    """Other bodies may hold it. That is no failure of the origin."""
    budget = Budget(1 << 20)
    async with origin_with(response(200, bytes(1 << 20)), memory=budget) as (origin, _):
        assert budget.take(300 << 10)
        with pytest.raises(TooManyFetchesError):
            await origin.load(b"a", TERMS)
        budget.give(300 << 10)
        assert isinstance(await origin.load(b"a", TERMS), Fetched)
        assert budget.used_bytes == 0
        assert origin.outcomes["too_many"] == origin.outcomes["fetched"] == 1


@pytest.mark.parametrize("begun", [b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\nX: ", response(length=100)])
async def test_an_origin_that_drips_ends_at_the_hard_timeout(begun: bytes) -> None:
    """Bytes that arrive one by one do not prolong it; in the head as in the body."""

    async def drip(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        for byte in b"200 " + b"x" * 90:
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(SHORT_SECONDS / 4)

    async with origin_with(drip, timeout_seconds=SHORT_SECONDS) as (origin, server):
        error = await failure(origin)
        assert (error.kind, error.status, error.is_ill) == ("timeout", 504, True)
        assert f"within {SHORT_SECONDS:g} s" in str(error)
        await eventually(lambda: not server.open, "the connection is closed")


async def test_interim_responses_without_end_are_bounded_by_the_timeout() -> None:
    async def wait(request: Request, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with origin_with(wait, timeout_seconds=SHORT_SECONDS) as (origin, _):
        assert (await failure(origin)).kind == "timeout"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        response(200, b"short", length=100),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
    ],
)
async def test_a_response_that_ends_early_is_an_error(data: bytes) -> None:
    """Before its head, in it, in a body with a length, and in a chunked one."""
    async with origin_with(sending(data)) as (origin, _):
        error = await failure(origin)
        # The parser may see the end before or after the head was handed on.
        assert error.kind in {"interrupted", "malformed"}
        assert (error.status, error.is_ill) == (502, True)


async def test_a_connection_that_is_reset_is_an_error() -> None:
    async def reset(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(response(200, b"short", length=100))
        await writer.drain()
        writer.transport.abort()

    async with origin_with(reset) as (origin, _):
        assert (await failure(origin)).kind == "interrupted"


async def test_a_connection_that_is_refused_is_an_error() -> None:
    origin = origin_at(f"http://127.0.0.1:{free_port()}/{{key}}")
    error = await failure(origin)
    assert (error.kind, error.status, error.is_ill) == ("unreachable", 502, True)
    assert str(error).endswith("cannot be reached: Connection refused.")
    await origin.close()


async def test_a_name_that_does_not_exist_is_an_error() -> None:
    allowed = Allowed(["http://origin.invalid"])
    origin = origin_at("http://origin.invalid/{key}", allowed=allowed)
    assert (await failure(origin)).kind == "unreachable"
    await origin.close()


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\nx",
        response(200, b"value, and more", length=5),
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (MAX_FIELD_BYTES + 100) + b"\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * (MAX_FIELD_BYTES + 100) + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * (MAX_FIELDS + 10) + b"\r\n",
    ],
)
async def test_a_response_that_is_not_valid_is_an_error(data: bytes) -> None:
    """Nor is one with too long a field, or too many, or with more than its length states."""
    async with origin_with(sending(data)) as (origin, _):
        error = await failure(origin)
        assert (error.kind, error.status, error.is_ill) == ("malformed", 502, True)


async def test_a_head_without_end_is_not_kept() -> None:
    sent = 0

    async def bomb(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            line = b"X-%d: %b\r\n" % (sent, b"x" * 4000)
            writer.write(line)
            await writer.drain()
            sent += len(line)

    async with origin_with(bomb) as (origin, server):
        assert (await failure(origin)).kind == "malformed"
        await eventually(lambda: not server.open, "the connection is closed")
    assert sent < 64 << 20


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"value", mtime=0)),
        ("gzip", gzip.compress(b"value", mtime=0)[:-6]),
        ("gzip", gzip.compress(bytes(64 << 20), mtime=0)),
        ("gzip", b"no gzip"),
        ("deflate", zlib.compress(b"value")),
        ("br", b"x"),
        ("identity, gzip", gzip.compress(b"value", mtime=0)),
        ("x" * 100, b"value"),
    ],
)
async def test_a_content_coding_is_refused(coding: str, body: bytes) -> None:
    """Only `identity` was accepted, so that nothing is ever decoded: broken or a bomb."""
    async with origin_with(response(200, body, f"Content-Encoding: {coding}")) as (origin, _):
        error = await failure(origin)
        assert (error.kind, error.is_ill) == ("unusable", False)
        assert re.search(r"Content-Encoding '.{,40}'", str(error))


@pytest.mark.parametrize("coding", ["", "identity", "Identity"])
async def test_no_content_coding_may_be_stated(coding: str) -> None:
    async with origin_with(response(200, b"value", f"Content-Encoding: {coding}")) as (origin, _):
        assert isinstance(await origin.load(b"a", TERMS), Fetched)


@pytest.mark.parametrize("field", ["no type", "text/html; x=\xff", "a/b" * 200, "text/\x1bhtml"])
async def test_a_content_type_that_no_entry_may_have_is_replaced(field: str) -> None:
    async with origin_with(response(200, b"value", f"Content-Type: {field}")) as (origin, _):
        result = await origin.load(b"a", TERMS)
        assert isinstance(result, Fetched)
        assert result.content_type == "application/octet-stream"
