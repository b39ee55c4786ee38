"""Requests whose header fields were parsed before.

A client sends the same header fields with most of its requests, and parsing them takes as long as
all else that a hit in memory needs. So the fields of a request that came in one piece are kept, as
bytes, with what aiohttp's parser made of them. A request with the same bytes of fields is that
message with another path. Every other request is parsed, be it for a single byte, and so is one
whose request line is not of the plainest form.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aiohttp.http_parser import RawRequestMessage

if TYPE_CHECKING:
    from aiohttp.streams import StreamReader

MOST_BYTES = 16 << 10
"""The largest piece of data that is looked at: splitting it copies the body."""
MOST_FIELD_BYTES = 1 << 10
MOST_KNOWN = 256
"""The most header fields that are kept, with about 1 KiB each, over all connections. All are
dropped for the next one: those that repeat are soon back."""

_LINE = re.compile(rb"(?:GET|PUT|DELETE) (/[A-Za-z0-9._~/%?=&-]{0,4000}) HTTP/1\.1")


class Repeated:
    """Header fields that were parsed, by method."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, bytes], tuple[int, Any, Any]] = {}
        """The length of the body, and what the message has before its path and after it."""
        self._line = _LINE.fullmatch

    def request(self, data: bytes) -> tuple[RawRequestMessage, bytes] | None:
        """The request that is all of `data`, which begins where a request does, with its body.

        None if it has to be parsed. The message has no `url`, which nobody reads.
        """
        if len(data) > MOST_BYTES:
            return None
        head, _, body = data.partition(b"\r\n\r\n")
        line, _, fields = head.partition(b"\r\n")
        known = self._known.get((line[:3], fields))
        if known is None or known[0] != len(body):
            return None
        target = self._line(line)
        if target is None:
            return None
        _, method, rest = known
        return RawRequestMessage(method, target[1].decode(), *rest), body

    def add(self, data: bytes, message: RawRequestMessage) -> None:
        """Keep the fields of the message that was parsed from `data`, and is all of it."""
        head, _, body = data.partition(b"\r\n\r\n")
        line, _, fields = head.partition(b"\r\n")
        if len(data) <= MOST_BYTES and len(fields) <= MOST_FIELD_BYTES and _LINE.fullmatch(line):
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            # aiohttp's own class in C is no tuple.
            rest = (
                *(message.version, message.headers, message.raw_headers, message.should_close),
                *(message.compression, message.upgrade, message.chunked, None),
            )
            self._known[line[:3], fields] = len(body), message.method, rest


def is_all(data: bytes, payload: StreamReader) -> bool:
    """Whether a request that begins with `data`, and has this body, is all of it."""
    _, end, body = data.partition(b"\r\n\r\n")
    return bool(end) and payload.is_eof() and payload.total_bytes == len(body)
