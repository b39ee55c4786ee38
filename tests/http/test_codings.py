"""Codings of a request's body: undone where they are content codings, or refused."""

from __future__ import annotations

import gzip
import random
import threading
import zlib
from functools import partial
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.http import codings
from tests.http.serving import exchange, problem, request

PATH = "/v1/cache/test/key"
CLOSE = "Connection: close"
MIB = 1 << 20
gzipped = partial(gzip.compress, mtime=0)  # all test processes need the same parameters
GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
END = b"\x01\0\0\xff\xff" + bytes(8)
"""Of a gzip body without content: a last block without bytes, their checksum and their number."""
EMPTY_BLOCKS = bytes.fromhex(
    "04c081000000000090ff6b100007020000000040feaf41001c080000000000f9bf06017020000000"
    "0000e4ff1a04c081000000000090ff6b100007020000000040feaf41001c080000000000f9bf0601"
    "70200000000000e4ff1a"
)
"""Eight blocks that have no bytes, but the tables of their code, which take long to build."""


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzipped(b"value")),
        ("X-GZIP", gzipped(b"val") + gzipped(b"ue")),
        ("deflate", zlib.compress(b"value")),
        ("identity", b"value"),
    ],
)
async def test_a_coded_value_is_stored_decoded(
    client: aiohttp.ClientSession, coding: str, body: bytes
) -> None:
    """Readers get the decoded value, without a Content-Encoding."""
    async with client.put(PATH, data=body, headers={"Content-Encoding": coding}) as answer:
        assert answer.status == 201
    async with client.get(PATH) as answer:
        assert await answer.read() == b"value"
        assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize(
    "bomb",
    [
        gzipped(bytes(64 * MIB)),
        b"".join([gzipped(bytes(MIB))] * 16),
    ],
)
async def test_a_bomb_does_not_go_off(
    live: Sidecar, client: aiohttp.ClientSession, bomb: bytes
) -> None:
    """64 MiB in 64 KiB, and in several members: 413 by the decoded size; nothing is stored."""
    headers = {"Content-Encoding": "gzip"}
    async with client.put(PATH, data=bomb, headers=headers) as answer:
        assert "8,388,608" in await problem(answer, 413)
    async with client.get(PATH) as answer:
        await problem(answer, 404)


@pytest.mark.parametrize(
    "body",
    [
        b"no gzip at all",
        gzipped(b"value")[:-4],
        gzipped(b"value") + b"more",
        gzipped(b"") * 1000,
    ],
)
async def test_what_is_not_coded_as_it_says_is_refused(
    client: aiohttp.ClientSession, body: bytes
) -> None:
    """400 for a body that is not gzip, is truncated, has trailing bytes, or has endless members."""
    async with client.put(PATH, data=body, headers={"Content-Encoding": "gzip"}) as answer:
        assert "gzip" in await problem(answer, 400)


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (("gzip", "gzip"), gzipped(gzipped(b"value"))),
        (("deflate, gzip",), gzipped(zlib.compress(b"value"))),
        (("deflate", "identity, GZIP"), gzipped(zlib.compress(b"value"))),
        ((",", "gzip", ""), gzipped(b"value")),
    ],
)
async def test_all_codings_are_undone(live: Sidecar, lines: tuple[str, ...], body: bytes) -> None:
    """In the order of the lines, which are one list (RFC 9110, section 5.3)."""
    fields = [f"Content-Encoding: {line}" for line in lines]
    length = f"Content-Length: {len(body)}"
    put = await exchange(
        live.ports["http"], request("PUT", PATH, length, *fields, CLOSE, body=body)
    )
    assert put.startswith(b"HTTP/1.1 201 ")
    got = await exchange(live.ports["http"], request("GET", PATH, CLOSE))
    assert got.endswith(b"\r\n\r\nvalue")


async def test_a_bomb_in_a_coding_does_not_go_off(client: aiohttp.ClientSession) -> None:
    """It is too large after the first is undone, although it would be small again."""
    bomb = gzipped(gzipped(bytes(64 * MIB)) * 1000)
    async with client.put(PATH, data=bomb, headers={"Content-Encoding": "gzip, gzip"}) as answer:
        await problem(answer, 413)
    many = {"Content-Encoding": "gzip, gzip, gzip, gzip, gzip"}
    async with client.put(PATH, data=b"x", headers=many) as answer:
        await problem(answer, 415)


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip", "identity, chunked", "", ",", "\t"])
async def test_a_transfer_coding_that_nobody_undoes_is_refused(live: Sidecar, coding: str) -> None:
    """Otherwise the coded bytes would be the value."""
    head = request("PUT", PATH, f"Transfer-Encoding: {coding}", CLOSE)
    for body in (b"3\r\nabc\r\n0\r\n\r\n", b""):  # which may come later
        answer = await exchange(live.ports["http"], head + body)
        assert answer[9:12] in {b"400", b"501"}, answer
    got = await exchange(live.ports["http"], request("GET", PATH, CLOSE))
    assert got.startswith(b"HTTP/1.1 404 ")


async def test_an_unknown_coding_is_refused(client: aiohttp.ClientSession) -> None:
    """415 with the supported codings; if it were stored, readers could not know the coding."""
    async with client.put(PATH, data=b"x", headers={"Content-Encoding": "br"}) as answer:
        await problem(answer, 415)
        assert answer.headers["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzipped(random.Random(1).randbytes(MIB // 2))),
        ("gzip", gzipped(bytes(64 * MIB))),
        ("gzip", GZIP_HEAD + EMPTY_BLOCKS * 10_000 + END),
        ("gzip", GZIP_HEAD + bytes((0, 0, 0, 0xFF, 0xFF)) * 100_000 + END),
        ("gzip", GZIP_HEAD.replace(b"\x08\0", b"\x08\x10", 1) + b"x" * (MIB // 2) + b"\0" + END),
        ("gzip", gzipped(b"value")[:-4] + bytes(MIB // 2)),
        ("gzip", gzipped(b"value") * 10_000),
        ("deflate", zlib.compress(b"")[:2] + EMPTY_BLOCKS * 10_000 + END[:-4]),
        ("gzip, gzip", gzipped(GZIP_HEAD + EMPTY_BLOCKS * 10_000 + END)),
    ],
    ids=["noise", "bomb", "codes", "blocks", "comment", "rest", "members", "deflate", "twice"],
)
async def test_the_event_loop_decodes_little(
    client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, coding: str, body: bytes
) -> None:
    """Whatever a body is made of: the time depends on what it takes, be it nothing in the end."""
    on_loop = 0

    class Decoder:
        def __init__(self, window_bits: int) -> None:
            self._decoder = zlib.decompressobj(window_bits)

        def decompress(self, piece: bytes, limit: int) -> bytes:
            nonlocal on_loop
            decoded = self._decoder.decompress(piece, limit)
            if threading.current_thread() is threading.main_thread():
                on_loop += max(len(piece) - len(self._decoder.unconsumed_tail), len(decoded) // 16)
            return decoded

        def __getattr__(self, name: str) -> Any:
            return getattr(self._decoder, name)

    monkeypatch.setattr(codings, "zlib", SimpleNamespace(decompressobj=Decoder, error=zlib.error))
    async with client.put(PATH, data=body, headers={"Content-Encoding": coding}) as answer:
        assert answer.status in {201, 400, 413}
    assert on_loop <= codings.LOOP_BYTES
