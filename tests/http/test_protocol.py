"""HTTP itself: requests of clients old and new, and invalid ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from sidecar.app.sidecar import Sidecar
from tests.http.serving import exchange, problem, raw_problem, request

PATH = "/v1/cache/test/key"
CLOSE = "Connection: close"


async def test_http_1_0_may_keep_its_connection(live: Sidecar) -> None:
    """The connection is kept on request, with a header that confirms it; the next request closes
    it.
    """
    port = live.ports["http"]
    asked = request("PUT", PATH, "Connection: keep-alive", "Content-Length: 1", version="1.0")
    answer = await exchange(port, asked + b"v" + request("GET", PATH, version="1.0"))
    first, second = answer.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"201 ")
    assert b"Connection: keep-alive\r\n" in first
    assert second.startswith(b"200 ")
    assert b"Connection: close\r\n" in second


async def test_http_1_0_is_not_told_to_continue(live: Sidecar) -> None:
    """Expect is ignored (RFC 9110, 10.1.1): a 1.0 client would take the 100 for the answer."""
    head = request("PUT", PATH, "Content-Length: 1", "Expect: 100-continue", version="1.0")
    answer = await exchange(live.ports["http"], head, b"v")
    assert answer.startswith(b"HTTP/1.1 201 ")


async def test_another_expectation_is_refused(live: Sidecar) -> None:
    """417, which names the supported expectation."""
    head = request("PUT", PATH, "Content-Length: 1", "Expect: a-miracle", body=b"v")
    assert "100-continue" in raw_problem(await exchange(live.ports["http"], head), 417)


async def test_a_value_too_large_is_refused_before_it_is_sent(live: Sidecar) -> None:
    """413 instead of 100 Continue; then the connection is closed."""
    head = request("PUT", PATH, "Content-Length: 8388609", "Expect: 100-continue")
    answer = await exchange(live.ports["http"], head)
    assert "8,388,608" in raw_problem(answer, 413)
    assert b"Connection: close" in answer


async def test_a_chunked_value_is_read_up_to_the_limit_and_no_further(live: Sidecar) -> None:
    """413 while the client is still sending; nothing is stored."""
    mebibyte = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    head = request("PUT", PATH, "Transfer-Encoding: chunked")
    reader, writer = await asyncio.open_connection("127.0.0.1", live.ports["http"])
    writer.write(head + mebibyte * 8 + b"1\r\nx\r\n")
    answer = await reader.read()  # the last chunk was never sent
    raw_problem(answer, 413)
    writer.close()
    missing = await exchange(live.ports["http"], request("GET", PATH, CLOSE))
    raw_problem(missing, 404)


async def test_a_target_may_be_absolute(live: Sidecar) -> None:
    """Proxies send it (RFC 9112, 3.2.2); it is valid for entries and for every other path."""
    port = live.ports["http"]
    put = request("PUT", f"http://127.0.0.1:{port}{PATH}", "Content-Length: 1", CLOSE, body=b"v")
    assert (await exchange(port, put)).startswith(b"HTTP/1.1 201 ")
    got = await exchange(port, request("GET", f"http://127.0.0.1:{port}{PATH}", CLOSE))
    assert got.endswith(b"\r\n\r\nv")
    stats = await exchange(port, request("GET", f"HTTP://127.0.0.1:{port}/v1/stats", CLOSE))
    assert stats.startswith(b"HTTP/1.1 200 ")
    root = await exchange(port, request("GET", "http://127.0.0.1", CLOSE))
    assert b"<title>cache-sidecar</title>" in root


async def test_an_upgrade_is_declined_and_the_request_answered(
    client: aiohttp.ClientSession,
) -> None:
    """As with `curl --http2`: the answer is HTTP/1.1, and the connection stays open."""
    headers = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"}
    async with client.put(PATH, data=b"v", headers=headers) as answer:
        assert answer.status == 201
    async with client.get(PATH, headers=headers) as answer:
        assert (answer.status, await answer.read()) == (200, b"v")


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "LOCK", "PROPFIND"])
async def test_other_methods_name_those_that_are_possible(
    client: aiohttp.ClientSession, method: str
) -> None:
    """405 with Allow; HEAD is allowed wherever GET is."""
    async with client.request(method, PATH) as answer:
        assert "GET" in await problem(answer, 405)
        assert answer.headers["Allow"] == "DELETE, GET, HEAD, PATCH, POST, PUT"
    async with client.request(method, "/v1/stats") as answer:
        await problem(answer, 405)
        assert answer.headers["Allow"] == "GET, HEAD"


async def test_a_tunnel_is_refused(live: Sidecar) -> None:
    """CONNECT is only for proxies."""
    answer = await exchange(live.ports["http"], request("CONNECT", "127.0.0.1:80", CLOSE))
    raw_problem(answer, 404)


async def test_head_has_no_body_on_errors_too(live: Sidecar) -> None:
    """Only the head of the problem is sent, so that the connection can continue."""
    port = live.ports["http"]
    answer = await exchange(port, request("HEAD", PATH) + request("HEAD", "/nothing", CLOSE))
    first, second, nothing = answer.split(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 404 ")
    assert second.startswith(b"HTTP/1.1 404 ")
    assert nothing == b""


async def test_a_body_that_nobody_reads_does_not_become_a_request(live: Sidecar) -> None:
    """A GET with a body, or a PUT with an invalid name: the next request is parsed correctly."""
    hidden = request("DELETE", PATH)
    length = f"Content-Length: {len(hidden)}"
    sent = request("GET", "/v1/stats", length, body=hidden)
    sent += request("PUT", "/v1/cache/bad!/key", length, body=hidden)
    sent += request("GET", "/v1/stats", CLOSE)
    answer = await exchange(live.ports["http"], sent)
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"400", b"200"]


async def test_more_bytes_than_announced_are_the_next_request(live: Sidecar) -> None:
    """The value has the announced length; the bytes after it are refused as invalid HTTP."""
    reader, writer = await asyncio.open_connection("127.0.0.1", live.ports["http"])
    writer.write(request("PUT", PATH, "Content-Length: 3", body=b"abc"))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 201 ")
    writer.write(b"and-more\r\n\r\n")
    raw_problem(await reader.read(), 400)
    writer.close()
    got = await exchange(live.ports["http"], request("GET", PATH, CLOSE))
    assert got.endswith(b"\r\n\r\nabc")


@pytest.mark.parametrize(
    "sent",
    [
        request("PUT", PATH, "Content-Length: -1"),
        request("PUT", PATH, "Content-Length: 1", "Content-Length: 2"),
        request("PUT", PATH, "Content-Length: 9" + "9" * 40),
        request("PUT", PATH, "Content-Length: 1", "Transfer-Encoding: chunked"),
        request("PUT", PATH, "Transfer-Encoding: chunked", body=b"zz\r\n"),
        request("GET", PATH, "No-Colon"),
        request("GET", PATH, "Nul: \x00"),
        request("GET", PATH, version="9.9"),
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        request("GET", PATH, *(f"X-{number}: x" for number in range(500))),
    ],
)
async def test_what_is_no_http_is_a_problem(live: Sidecar, sent: bytes) -> None:
    """400 on one line, and the server continues."""
    detail = raw_problem(await exchange(live.ports["http"], sent), 400)
    assert "\n" not in detail
    stats = await exchange(live.ports["http"], request("GET", "/v1/stats", CLOSE))
    assert stats.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "head",
    [
        request("GET", PATH, "X-Large: " + "x" * 9000),
        request("GET", PATH, "x" * 9000 + ": large"),
        request("GET", "/" + "x" * 9000),
    ],
)
async def test_a_head_without_measure_is_refused(live: Sidecar, head: bytes) -> None:
    """431, which states the limit."""
    answer = await exchange(live.ports["http"], head)
    assert "8,190" in raw_problem(answer, 431)


async def test_a_chunk_that_is_none_is_a_problem(live: Sidecar) -> None:
    """A body that ends in the middle of a chunk is the client's error."""
    head = request("PUT", PATH, "Transfer-Encoding: chunked")
    reader, writer = await asyncio.open_connection("127.0.0.1", live.ports["http"])
    writer.write(head + b"3\r\nabc\r\n")
    await writer.drain()
    writer.write(b"nonsense\r\n")
    raw_problem(await reader.read(), 400)
    writer.close()


async def test_a_path_is_percent_encoded_ascii(live: Sidecar) -> None:
    """Other bytes are invalid (RFC 3986); the problem says how to encode them."""
    answer = await exchange(live.ports["http"], request("GET", "/v1/cache/test/caf\xc3\xa9"))
    assert "percent-encode" in raw_problem(answer, 400)


async def test_what_is_quoted_in_a_problem_is_cut_short(live: Sidecar) -> None:
    """A path of 8,000 bytes is not quoted in full."""
    answer = await exchange(live.ports["http"], request("GET", "/" + "x" * 8000, CLOSE))
    assert len(raw_problem(answer, 404)) < 1000


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("caf%C3%A9", "caf%c3%a9"),
        ("%FF%00", "%ff%00"),
        ("a/.b/..c/...", "a%2F.b%2F..c%2F%2E.."),
        ("a+b", "a%2Bb"),
        ("%41", "A"),
        ("100%", "100%25"),
        ("a//b", "a%2F%2Fb"),
    ],
)
async def test_a_key_is_its_bytes_however_they_are_spelled(
    live: Sidecar, name: str, same: str
) -> None:
    """Percent-encoded or not, slashes have no special meaning, nor have dots that do not make up a
    segment.
    """
    port, base = live.ports["http"], "/v1/cache/test/"
    put = request("PUT", base + name, "Content-Length: 1", CLOSE, body=b"v")
    assert (await exchange(port, put)).startswith(b"HTTP/1.1 201 ")
    for spelled in (name, same):
        got = await exchange(port, request("GET", base + spelled, CLOSE))
        assert got.endswith(b"\r\n\r\nv")


@pytest.mark.parametrize("version", ["0.9", "2.0"])
async def test_another_version_of_http_is_refused(live: Sidecar, version: str) -> None:
    """505, and no entry is read."""
    sent = request("GET", PATH, version=version)
    answer = await exchange(live.ports["http"], sent)
    assert answer[9:12] in {b"505", b"400"}
    assert b"Connection: close" in answer


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        *("/v1/cache/test/..", "/v1/cache/test/.", "/v1/cache/test/a/../b", "/v1/cache/../test/a"),
        *("/v1/cache/test/%2E%2e/b", "/v1/cache/test/.%2e", "/v1/cache/test%2f..%2Fa"),
        *("/v1/cache/test/%2E", "/v1/cache/test/a/./b?ttl=5", "http://x/v1/cache/test/../b"),
    ],
)
async def test_a_path_with_dot_segments_is_refused(live: Sidecar, method: str, path: str) -> None:
    """400 with the way to send such a key, since clients resolve them differently."""
    answer = await exchange(live.ports["http"], request(method, path, "Content-Length: 0", CLOSE))
    if method == "HEAD":
        assert answer.startswith(b"HTTP/1.1 400 ")
    else:
        assert "/v1/mget" in raw_problem(answer, 400)


async def test_a_batch_takes_keys_with_dot_segments(live: Sidecar) -> None:
    """They are stored, read and listed like any other."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{live.ports['http']}") as session:
        entries = [{"key": key, "value": key} for key in ("..", ".", "a/../b")]
        stored = await session.post("/v1/mset", json={"namespace": "test", "entries": entries})
        assert stored.status == 200
        found = await session.post(
            "/v1/mget", json={"namespace": "test", "keys": ["..", ".", "a/../b"]}
        )
        assert [one["value"] for one in (await found.json())["entries"]] == ["..", ".", "a/../b"]


async def test_a_unix_socket_speaks_the_same(live: Sidecar, tmp_path: Path) -> None:
    """An entry put over TCP can be read over the socket by a common client."""
    put = request("PUT", PATH, "Content-Length: 5", CLOSE, body=b"value")
    await exchange(live.ports["http"], put)
    connector = aiohttp.UnixConnector(str(tmp_path / "socket"))
    async with (
        aiohttp.ClientSession("http://localhost", connector=connector) as session,
        session.get(PATH) as answer,
    ):
        assert await answer.read() == b"value"
