"""Content codings of a request's body (RFC 9110, section 8.4.1)."""

from __future__ import annotations

import asyncio
import zlib

from sidecar.http.problems import ProblemError

CODINGS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""Content codings of a request's body, and the `wbits` argument of zlib that decodes each."""
MAX_MEMBERS = 100
"""The most members of a gzip body (RFC 1952, section 2.2): each copies the bytes after it."""


async def decoded(body: bytes, coding: str, limit: int) -> bytes:
    """A body without its content coding. Decoding stops once the output exceeds `limit` bytes.

    Raises ProblemError: 415 for an unknown coding, 400 for a body that is not of its coding.
    """
    if coding in {"", "identity"}:
        return body
    if coding not in CODINGS:
        detail = (
            f"Content-Encoding is gzip or deflate, or there is none; it is not {coding[:80]!r}."
        )
        raise ProblemError(415, detail, headers="Accept-Encoding: gzip, deflate\r\n")
    value = await asyncio.to_thread(_inflated, body, CODINGS[coding], limit)
    if value is None:
        raise ProblemError(400, f"The body is not {coding}, which its Content-Encoding names.")
    return value


def _inflated(body: bytes, window_bits: int, limit: int) -> bytes | None:
    """At most `limit` bytes and one more; None if the body is not of this coding.

    Runs in a thread, since zlib releases the interpreter's lock.
    """
    value = b""
    for _ in range(MAX_MEMBERS):
        inflate = zlib.decompressobj(window_bits)
        try:
            value += inflate.decompress(body, limit + 1 - len(value))
        except zlib.error:
            return None
        body = inflate.unused_data
        if len(value) > limit or (inflate.eof and not body):
            return value
        if not inflate.eof:
            break  # the body is truncated
    return None
