"""A client of coded values: it asks for a coding, and decodes the answer as its fields say."""

from __future__ import annotations

import json
import zlib

import aiohttp
import zstandard
from aiohttp import ClientResponse

PATH = "/v1/cache/test/key"
JSON = "application/json"
SMALL = json.dumps([{"id": n * 7919 % 10007, "name": f"user {n}"} for n in range(100)]).encode()
LARGE = json.dumps([{"id": n * 7919 % 10007, "name": f"user {n}"} for n in range(9_000)]).encode()
"""Coded in a thread."""


async def put(raw: aiohttp.ClientSession, value: bytes, kind: str = JSON) -> str:
    """Store a value; returns its ETag."""
    answer = await raw.put(PATH, data=value, headers={"Content-Type": kind})
    assert answer.status in {201, 204}
    return answer.headers["ETag"]


async def read(
    raw: aiohttp.ClientSession, accepted: str | None, method: str = "GET", **headers: str
) -> ClientResponse:
    """The answer, whose body has been read. Names of fields have underscores."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if accepted is not None:
        fields["Accept-Encoding"] = accepted
    answer = await raw.request(method, PATH, headers=fields)
    await answer.read()
    return answer


async def value_of(answer: ClientResponse) -> bytes:
    """The value in an answer, decoded as it says, after a check of its fields."""
    body = await answer.read()
    assert answer.headers["Content-Length"] == str(len(body))
    match answer.headers.get("Content-Encoding"):
        case "zstd":
            window = zstandard.get_frame_parameters(body).window_size
            assert window <= 8 << 20, "RFC 9659"
            return zstandard.ZstdDecompressor().decompress(body)
        case "gzip":
            return zlib.decompress(body, 16 + zlib.MAX_WBITS)
        case None:
            return body
        case other:
            raise AssertionError(other)


def tag_in(coding: str, tag: str) -> str:
    """The ETag of a version in a coding."""
    return tag if coding == "identity" else f'{tag[:-1]}-{coding}"'
