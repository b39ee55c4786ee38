"""Bodies in JSON and MessagePack: what is sent, what is wanted back, and what may not be there.

msgspec holds the interpreter's lock while it works, so a thread would stop the event loop as surely
as the loop itself. Therefore what one call of it may meet is small or simple: each body has a limit
of its own, nothing is decoded that has no place in it (a value of ten million empty lists took five
seconds), and large values become JSON or base64, and come from it, in slices between which others
get a turn.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import codecs
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

import msgspec

from sidecar.api.entries import Encoding
from sidecar.http.messages import Reply, Request
from sidecar.http.problems import ProblemError

JSON = "application/json"
MESSAGEPACK = "application/msgpack"
MESSAGEPACK_NAMES = (MESSAGEPACK, "application/vnd.msgpack", "application/x-msgpack")
CURL_DEFAULT = "application/x-www-form-urlencoded"
"""What `curl -d` calls whatever it sends."""
SLICE_BYTES = 192 << 10
"""Of a value, at one go: a millisecond of base64. Base64 needs a multiple of three and four."""

Body = TypeVar("Body")
_encode_json = msgspec.json.Encoder().encode
_encode_messagepack = msgspec.msgpack.Encoder().encode


def sends_messagepack(request: Request) -> bool:
    """Whether the body is MessagePack, not JSON. Raises ProblemError (415) for anything else."""
    content_type = _media_type(request.headers.get("Content-Type", JSON))
    if content_type in MESSAGEPACK_NAMES:
        return True
    if content_type in (JSON, CURL_DEFAULT):
        return False
    detail = f"The body is {JSON} or {MESSAGEPACK}, not {content_type[:80]!r}."
    raise ProblemError(415, detail, headers=f"Accept-Post: {JSON}, {MESSAGEPACK}\r\n")


def wants_json(request: Request) -> bool:
    """What Accept prefers of the two (RFC 9110, section 12.5.1); where it does not care, the same
    as was sent. Neither is not refused: JSON is better than nothing.
    """
    same = not sends_messagepack(request)
    accept = request.headers.get("Accept")
    if accept is None:
        return same
    json = _quality(accept, (JSON,))
    messagepack = _quality(accept, MESSAGEPACK_NAMES)
    return same if json == messagepack else json > messagepack


def decoded(body: bytes, shape: type[Body], *, messagepack: bool) -> Body:
    """The body as `shape`. Raises ProblemError (400), which names the field."""
    decode = msgspec.msgpack.decode if messagepack else msgspec.json.decode
    try:
        return decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, f"The body can't be used: {error}.") from None


def encoded(answer: Any, *, as_json: bool) -> Reply:
    if as_json:
        return Reply(200, f"Content-Type: {JSON}\r\n", _encode_json(answer))
    return Reply(200, f"Content-Type: {MESSAGEPACK}\r\n", _encode_messagepack(answer))


def part(value: Any, *, as_json: bool) -> msgspec.Raw:
    """A piece of an answer, encoded already, so that its size is known."""
    return msgspec.Raw(_encode_json(value) if as_json else _encode_messagepack(value))


async def json_string(value: bytes) -> tuple[str | msgspec.Raw, Encoding]:
    """A value for a JSON answer: text where it is UTF-8, else base64."""
    if len(value) <= SLICE_BYTES:
        try:
            return value.decode(), "utf-8"
        except UnicodeDecodeError:
            return base64.b64encode(value).decode(), "base64"
    decode = codecs.getincrementaldecoder("utf-8")().decode
    try:
        pieces = [_encode_json(decode(chunk))[1:-1] async for chunk in _in_turns(value)]
        decode(b"", final=True)
        encoding: Encoding = "utf-8"
    except UnicodeDecodeError:
        pieces = [base64.b64encode(chunk) async for chunk in _in_turns(value)]
        encoding = "base64"
    return msgspec.Raw(b"".join((b'"', *pieces, b'"'))), encoding


async def from_base64(text: str) -> bytes | None:
    """What base64 stands for (RFC 4648, section 4, strictly); None where it is none."""
    pieces: list[bytes] = []
    try:
        async for chunk in _in_turns(text.encode("ascii")):
            if pieces and len(pieces[-1]) % 3:
                return None  # padding, and yet more
            pieces.append(binascii.a2b_base64(chunk, strict_mode=True))
    except ValueError:
        return None
    return b"".join(pieces)


async def _in_turns(value: bytes) -> AsyncIterator[bytes]:
    """Slices of a value; before each but the first, others get a turn."""
    for start in range(0, len(value), SLICE_BYTES):
        if start:
            await asyncio.sleep(0)
        yield value[start : start + SLICE_BYTES]


def _media_type(field: str) -> str:
    return field.partition(";")[0].strip().lower()


def _quality(accept: str, names: tuple[str, ...]) -> float:
    """How much a list of media ranges wants any of these, 0 to 1; the closest range decides."""
    ranges = dict(_ranges(accept))
    for named in (names, ("application/*",), ("*/*",)):
        found = [ranges[name] for name in named if name in ranges]
        if found:
            return max(found)
    return 0.0


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for each in accept.split(","):
        name, *parameters = each.split(";")
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.strip().partition("=")
            if key.lower() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        yield name.strip().lower(), quality
