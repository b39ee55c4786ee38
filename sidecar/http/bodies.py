"""Bodies in JSON and MessagePack: content types, decoding and encoding.

msgspec holds the interpreter's lock, so a call blocks the event loop even from a thread. The input
of each call is therefore small or simple: each body has its own limit, unexpected parts are not
decoded (a value of ten million empty lists took five seconds), and large values are converted to
and from JSON or base64 in slices, with other tasks running in between.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

import msgspec

from sidecar.api.entries import Encoding
from sidecar.http.messages import LARGE_BYTES, Reply, Request
from sidecar.http.problems import NOT_KEPT, ProblemError
from sidecar.http.wording import of_decoding
from sidecar.serving.slices import Slices

JSON = "application/json"
MESSAGEPACK = "application/msgpack"
MESSAGEPACK_NAMES = (MESSAGEPACK, "application/vnd.msgpack", "application/x-msgpack")
CURL_DEFAULT = "application/x-www-form-urlencoded"
"""The content type that `curl -d` sends by default."""
SLICE_BYTES = 192 << 10
"""Converted at once: a millisecond of base64. A multiple of 3 and 4, as base64 requires."""

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
    """Whether Accept prefers JSON to MessagePack (RFC 9110, section 12.5.1).

    Without a preference, the format of the request; JSON if Accept allows neither.
    """
    same = not sends_messagepack(request)
    accept = request.headers.get("Accept")
    if accept is None:
        return same
    json = _quality(accept, (JSON,))
    messagepack = _quality(accept, MESSAGEPACK_NAMES)
    return same if json == messagepack else json > messagepack


def decoded(body: bytes, shape: type[Body], *, messagepack: bool) -> Body:
    """The body as `shape`. Raises ProblemError (400) with the name of the wrong field."""
    decode = msgspec.msgpack.decode if messagepack else msgspec.json.decode
    try:
        return decode(body, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        encoding = "MessagePack" if messagepack else "JSON"
        raise ProblemError(400, of_decoding(error, body, encoding)) from None


def refuse_repeated(body: bytes) -> None:
    """Raises ProblemError (400) for a small body in valid JSON with a field that is there twice:
    the last counts, and msgspec does not tell. For requests that cannot be undone.
    """

    def fields(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise ProblemError(400, f"The field {name!r} is there twice; send it once.")

    json.loads(body, object_pairs_hook=fields)


def in_pieces(entries: list[bytes], missing: list[Any], left: list[Any], *, as_json: bool) -> Reply:
    """An answer of the shape `Found`. Its entries are encoded already, and sent as they are, since
    joining them would need as much memory again.
    """
    if as_json:
        names = b'{"entries":[', b'],"missing":', b',"left":', b"}"
        between: bytes = b","
        encode: Callable[[Any], bytes] = _encode_json
        media_type = JSON
    else:
        count = b"\xdd" + len(entries).to_bytes(4, "big")  # MessagePack's `array 32`
        names = b"\x83\xa7entries" + count, b"\xa7missing", b"\xa4left", b""
        between, encode, media_type = b"", _encode_messagepack, MESSAGEPACK
    pieces = [names[0]]
    for number, entry in enumerate(entries):
        if number and between:
            pieces.append(between)
        pieces.append(entry)
    pieces += [names[1], encode(missing), names[2], encode(left), names[3]]
    return Reply(200, f"Content-Type: {media_type}\r\n{NOT_KEPT}", pieces=grouped(pieces))


def grouped(pieces: list[bytes]) -> list[bytes]:
    """The same bytes in fewer pieces: small ones are joined, up to LARGE_BYTES."""
    groups: list[bytes] = []
    small: list[bytes] = []
    size = 0
    for piece in pieces:
        if small and size + len(piece) > LARGE_BYTES:
            groups.append(b"".join(small))
            small, size = [], 0
        small.append(piece)
        size += len(piece)
    return [*groups, b"".join(small)]


def encoded(answer: Any, *, as_json: bool) -> Reply:
    if as_json:
        return Reply(200, f"Content-Type: {JSON}\r\n{NOT_KEPT}", _encode_json(answer))
    return Reply(200, f"Content-Type: {MESSAGEPACK}\r\n{NOT_KEPT}", _encode_messagepack(answer))


def part(value: Any, *, as_json: bool) -> bytes:
    """A part of an answer, encoded."""
    return _encode_json(value) if as_json else _encode_messagepack(value)


async def json_string(value: bytes, slices: Slices) -> tuple[str | msgspec.Raw, Encoding]:
    """A value for a JSON answer: text if it is UTF-8, else base64."""
    if len(value) <= SLICE_BYTES:
        try:
            return value.decode(), "utf-8"
        except UnicodeDecodeError:
            return base64.b64encode(value).decode(), "base64"
    decode = codecs.getincrementaldecoder("utf-8")().decode
    try:
        pieces = [_encode_json(decode(chunk))[1:-1] async for chunk in _in_slices(value, slices)]
        decode(b"", final=True)
        encoding: Encoding = "utf-8"
    except UnicodeDecodeError:
        pieces = [base64.b64encode(chunk) async for chunk in _in_slices(value, slices)]
        encoding = "base64"
    return msgspec.Raw(b"".join((b'"', *pieces, b'"'))), encoding


async def from_base64(text: str, slices: Slices) -> bytes | None:
    """Decode strict base64 (RFC 4648, section 4); None if the text is invalid."""
    pieces: list[bytes] = []
    try:
        async for chunk in _in_slices(text.encode("ascii"), slices):
            if pieces and len(pieces[-1]) % 3:
                return None  # padding before the end
            pieces.append(binascii.a2b_base64(chunk, strict_mode=True))
    except ValueError:
        return None
    return b"".join(pieces)


async def _in_slices(value: bytes, slices: Slices) -> AsyncIterator[bytes]:
    """Slices of a value; other tasks run between them."""
    for start in range(0, len(value), SLICE_BYTES):
        if start:
            await slices.next()
        yield value[start : start + SLICE_BYTES]


def _media_type(field: str) -> str:
    return field.partition(";")[0].strip().lower()


def _quality(accept: str, names: tuple[str, ...]) -> float:
    """The highest quality of these media types, 0 to 1; the most specific range decides."""
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
