"""Requests whose header fields were parsed before.

A client sends the same header fields with most of its requests, and parsing them takes as long as
all else that a hit in memory needs. So the fields of a request that came in one piece are kept, as
bytes, with what aiohttp's parser made of them. A request with the same bytes of fields is that
message with another path. A request that differs in one byte of them is parsed, and so is one whose
request line is not of the plainest form, or that came in several pieces.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from sidecar.http.fields import CONTENT_LENGTH

MOST_BYTES = 16 << 10
"""The largest piece of data that is looked at: splitting it copies the body."""
MOST_FIELDS, MOST_FIELD_BYTES = 32, 1 << 10
MOST_KNOWN = 64
"""The most header fields that are kept, with 2 to 10 KiB each, over all connections. All are
dropped for the next one: those that repeat are soon back."""

END = b"\r\n\r\n"
_LINE = re.compile(rb"(GET|PUT|DELETE) (/[A-Za-z0-9._~/%?=&:@!$'()*+,;-]{0,4000}) HTTP/1\.1")


class Repeated:
    """Header fields that were parsed."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, bytes], tuple[int, Any, Any]] = {}
        """By the method's first three bytes and the fields: the length of the body, and what the
        message has before its path and after it."""
        self._line = _LINE.fullmatch

    def request(self, data: bytes) -> tuple[RawRequestMessage, bytes | StreamReader] | None:
        """The request that is all of `data`, which begins where a request does, with its body.

        None if it has to be parsed. The message has no `url`, which nobody reads.
        """
        if len(data) > MOST_BYTES:
            return None
        head, end, body = data.partition(END)
        line, _, fields = head.partition(b"\r\n")
        known = self._known.get((line[:3], fields))
        if known is None or not end or known[0] != len(body):
            return None
        target = self._line(line)
        if target is None:
            return None
        _, method, rest = known
        return RawRequestMessage(method, target[2].decode(), *rest), body or EMPTY_PAYLOAD

    def add(self, data: bytes, message: RawRequestMessage) -> bool:
        """Keep the fields of the message that was parsed from `data`, and is all of it; whether
        they are kept.
        """
        if len(data) > MOST_BYTES or len(message.raw_headers) > MOST_FIELDS:
            return False
        head, _, body = data.partition(END)
        line, _, fields = head.partition(b"\r\n")
        target = _LINE.fullmatch(line)
        if (
            target is None
            or len(fields) > MOST_FIELD_BYTES
            # All connections use what is kept. So it has to be what it looks like, whatever may
            # be wrong with the bookkeeping of this one.
            or (message.method, message.path) != (target[1].decode(), target[2].decode())
        ):
            return False
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        rest = (  # one by one, since aiohttp's own class, in C, is no tuple
            *(message.version, message.headers, message.raw_headers, message.should_close),
            *(message.compression, message.upgrade, message.chunked, None),
        )
        self._known[line[:3], fields] = len(body), message.method, rest
        return True


def is_all(data: bytes, message: RawRequestMessage) -> bool:
    """Whether a message that begins with `data` is all of it, with its body.

    By its Content-Length, in the usual form: of a body that is too long to be counted, aiohttp says
    that it is empty.
    """
    _, end, body = data.partition(END)
    length = message.headers.get(CONTENT_LENGTH, "0")
    has_other_end = message.should_close or message.chunked
    return bool(end) and not has_other_end and length == str(len(body))


def is_end(data: bytes, message: RawRequestMessage, payload: StreamReader) -> bool:
    """Whether nothing follows a message in `data`, which it may have begun before: it has no body,
    and what ends the data would have ended another head.
    """
    return (
        payload is EMPTY_PAYLOAD
        and not message.should_close
        and CONTENT_LENGTH not in message.headers
        and data.endswith(END)
    )
