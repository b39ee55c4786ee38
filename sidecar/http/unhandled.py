"""How much a connection holds of what has come and is not handled yet.

That is the head of a request that has no end yet, and the requests that wait for their answer. What
aiohttp's parser keeps cannot be asked for, so it is bounded by what came and what came out: all of
a piece that is not in its requests may be the beginning of the next one. The body of the request at
work is not counted here: its reader takes memory for all of it, and `Pipeline` counts it if the
request is none that has a reader.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from sidecar.http.repeated import END
from sidecar.http.wording import MAX_HEADERS

SMALL_BYTES = 4096
"""Less than this is not worth counting: a connection takes more."""
HEAD_COPIES = 3
"""What a byte of a head takes, since each field is kept as bytes and as text."""
FIELD_BYTES, REQUEST_BYTES = 256, 768
"""What a field, and a request, take besides: a field of five bytes is four objects and two pairs of
them.
"""
_LINE_BYTES, _FIELD_BYTES = 15, 3
"""Of a request line without its path, and of a field without name and value; at least."""


class Unhandled:
    """The bytes of one connection. Requests are numbered in the order in which they came."""

    __slots__ = ("_in_body", "_lines", "_pieces", "begun", "waiting")

    def __init__(self) -> None:
        self.begun = 0
        """At most so many bytes of a head that has no end yet."""
        self._lines = 0  # in it, at most
        self._in_body = False  # so that it is most likely of the body, which its reader counts
        self._pieces: deque[tuple[int, int]] = deque()
        """The number of the last request in each piece of data, and the memory that these take."""
        self.waiting = 0
        """The sum."""

    @property
    def memory(self) -> int:
        """What all of it takes, in bytes; 0 if it is little."""
        size = self.waiting
        if self.begun and not self._in_body:
            size += HEAD_COPIES * self.begun + FIELD_BYTES * min(self._lines, MAX_HEADERS)
        return size if size > SMALL_BYTES else 0

    def clear(self) -> None:
        """Nothing of it is kept."""
        self.end_parsing()
        self.waiting = 0
        self._pieces.clear()

    def end_parsing(self) -> None:
        """What had begun is not kept; the requests before it are still to be handled."""
        self.begun = self._lines = 0
        self._in_body = False

    def body(self, number: int, size: int) -> None:
        """More of the body of the request of this number came, which is not being read yet."""
        self._pieces.append((number, size))
        self.waiting += size

    def goes_on(self, data: bytes, of_body: int, *, is_end: bool) -> None:
        """A piece came without a request, of which `of_body` bytes are in a body. `is_end` is
        whether no body goes on behind it.
        """
        self._in_body = not is_end
        if not is_end:  # what is not in the body yet is of its coding, or kept by the parser
            self.begun = max(0, (len(data) or self.begun) - of_body)
        elif not data:
            self.begun = max(0, self.begun - of_body)
        elif of_body:
            tail = data.rpartition(END)[2]
            self.begun = min(len(data) - of_body, len(tail))
            self._lines = tail.count(b"\n")
        else:
            self.begun += len(data)
            self._lines += data.count(b"\n")

    def requests(
        self,
        number: int,
        messages: Sequence[tuple[Any, StreamReader]],
        data: bytes,
        of_body: int,
        *,
        is_next: bool,
        is_whole: bool,
        may_be_kept: bool,
    ) -> None:
        """Requests came, of which the last one has this number, in a piece of which `of_body` bytes
        belong to a body before them. `is_next` is whether it is one, which is handled now;
        `is_whole` whether that is all of the piece; `may_be_kept` whether the parser may have left
        some of the piece for later.
        """
        bodies = sum(payload.total_bytes for _, payload in messages)
        heads = max(0, self.begun + len(data) - of_body - bodies)
        last = messages[-1][1]
        if is_whole:
            rest = 0
        elif may_be_kept or not last.is_eof():
            rest = max(0, heads - sum(_least_bytes(message) for message, _ in messages))
        else:
            rest = min(heads, len(data.rpartition(END)[2]), len(data) - last.total_bytes)
        self.begun, self._lines = rest, data.count(b"\n", len(data) - rest) if rest else 0
        self._in_body = not last.is_eof()
        fields = sum(len(message.raw_headers) for message, _ in messages)
        memory = HEAD_COPIES * (heads - rest) + FIELD_BYTES * fields
        memory += REQUEST_BYTES * len(messages) + (0 if is_next else bodies)
        self._pieces.append((number, memory))
        self.waiting += memory

    def handled(self, number: int) -> None:
        """All requests up to this number have been handled."""
        pieces = self._pieces
        while pieces and pieces[0][0] <= number:
            self.waiting -= pieces.popleft()[1]


def _least_bytes(message: Any) -> int:
    fields = sum(len(name) + len(value) + _FIELD_BYTES for name, value in message.raw_headers)
    return _LINE_BYTES + len(message.path) + fields


def unread_bytes(body: StreamReader) -> int:
    """What has come of a body, and has not been read."""
    return 0 if body is EMPTY_PAYLOAD else body._size
