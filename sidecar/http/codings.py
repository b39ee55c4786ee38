"""Codings of a request's body: content codings, which are undone, and transfer codings, of which
aiohttp undoes `chunked` (RFC 9110, section 8.4.1, and RFC 9112, section 6.1).
"""

from __future__ import annotations

import asyncio
import io
import zlib
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from sidecar.http.fields import list_field
from sidecar.http.problems import ProblemError

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

CODINGS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""Content codings of a request's body, and the `wbits` argument of zlib that decodes each."""
MAX_CODINGS = 4
"""The most codings of one body: each takes memory for its own result."""
SMALL_BYTES = 64 << 10
"""Decoded without memory from the budget."""
LOOP_BYTES = 4 << 10
"""The largest coded body that is decoded on the event loop. The time depends on its size more than
on what it gives: 8 MiB of blocks that have nothing but the tables of their code take 0.7 s.
"""
THREADS = 2
"""They do nothing else, so that nothing but bodies waits behind one that takes long."""
SLICE_BYTES = 64 << 10
MAX_MEMBERS = 100
"""The most members of a gzip body (RFC 1952, section 2.2): each copies the bytes after it."""

_threads = ThreadPoolExecutor(THREADS, "inflating")


def content_codings(headers: CIMultiDictProxy[str]) -> list[str]:
    """The codings that were applied to the body, in that order; the field may have several lines.

    Raises ProblemError: 415 for an unknown coding, or too many.
    """
    listed = (list_field(headers, "Content-Encoding") or "").lower().split(",")
    codings = [coding for name in listed if (coding := name.strip(" \t")) not in {"", "identity"}]
    unknown = [coding for coding in codings if coding not in CODINGS]
    if unknown or len(codings) > MAX_CODINGS:
        what = repr(unknown[0][:80]) if unknown else f"{len(codings)} of them"
        detail = f"Content-Encoding is gzip or deflate, or there is none; it is not {what}."
        raise ProblemError(415, detail, headers="Accept-Encoding: gzip, deflate\r\n")
    return codings


def refuse_transfer_codings(headers: CIMultiDictProxy[str]) -> None:
    """Raises ProblemError: 501 for a transfer coding beside `chunked`, which nobody undoes. So is a
    field without one: the parser takes it for no body, and what follows for a request.
    """
    listed = list_field(headers, "Transfer-Encoding")
    if listed is None:
        return
    codings = listed.strip(" \t,")
    if codings.lower() != "chunked":
        detail = f"The only supported Transfer-Encoding is chunked, not {codings[:80]!r}."
        raise ProblemError(501, detail, close=True)


async def decoded(
    body: bytes, coding: str, limit: int, reserve: Callable[[], Awaitable[None]]
) -> bytes:
    """A body without one of `CODINGS`. Decoding stops once the output exceeds `limit` bytes.

    `reserve` is called before more than SMALL_BYTES are decoded, which is done in a thread, as is
    all of a body of more than LOOP_BYTES. Raises what it does, and ProblemError: 400 for a body
    that is not of its coding.
    """
    window_bits, least = CODINGS[coding], min(limit, SMALL_BYTES)
    if len(body) <= LOOP_BYTES:
        value = _inflated(body, window_bits, least)
    else:
        value = await _inflated_aside(body, window_bits, least)
    if value is not None and len(value) > SMALL_BYTES:
        await reserve()
        value = await _inflated_aside(body, window_bits, limit)
    if value is None:
        raise ProblemError(400, f"The body is not {coding}, which its Content-Encoding names.")
    return value


async def _inflated_aside(body: bytes, window_bits: int, limit: int) -> bytes | None:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, _inflated, body, window_bits, limit)


def _inflated(body: bytes, window_bits: int, limit: int) -> bytes | None:
    """At most `limit` bytes and one more; None if the body is not of this coding.

    Large ones in a thread, since zlib releases the interpreter's lock. It works in slices: for its
    whole output at once, zlib needs twice the memory, and copies the input that is left each time.
    """
    value = io.BytesIO()
    rest = memoryview(body)
    for _ in range(MAX_MEMBERS):
        inflate = zlib.decompressobj(window_bits)
        while not inflate.eof:
            piece: bytes | memoryview = inflate.unconsumed_tail
            if not piece:
                piece, rest = rest[:SLICE_BYTES], rest[SLICE_BYTES:]
            try:
                inflated = inflate.decompress(piece, min(SLICE_BYTES, limit + 1 - value.tell()))
            except zlib.error:
                return None
            if not (piece or inflated):
                return None  # the body is truncated
            value.write(inflated)
            if value.tell() > limit:
                return value.getvalue()
        rest = memoryview(body)[len(body) - len(rest) - len(inflate.unused_data) :]
        if not rest:
            return value.getvalue()
    return None
