"""The protocol between the sidecar and the child process that runs L3.

Both directions are streams of frames over a socket pair: four bytes of length, then MessagePack.
Writes, rows and pages are those of `model.writes` and `model.answers`, encoded as arrays; the
first element of a write or a call is its tag.
Answers carry no request numbers. Reads, writes and calls are each answered in the order in which
they were sent; within one frame reads come before writes. The store's guarantees depend on that
order, so it is part of the protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from sidecar.model.answers import ABSENT, Page, Record, Row, Status
from sidecar.model.writes import Put, Write

BUFFERS_VARIABLE = "L3_BUFFERS_BYTES"
"""The variable of the child's environment with the bytes for memtables and the block cache."""
MAX_FRAME_BYTES = 1 << 20
"""A frame is sent when it has this many bytes; a single large value may exceed it."""
MAX_FRAME_READS = 64
MAX_FRAME_WRITES = 256
LARGE_BYTES = 64 << 10
"""A larger value is a piece of its frame, so that sending it needs no memory for a copy."""

Pieces = tuple[bytes, ...]
"""A frame, or its payload, as it follows each other on the stream."""


class Configure(msgspec.Struct, array_like=True, tag=0):
    """The tier's configuration, in force from the next write."""

    score: str  # the import path of a policy's score
    max_entries: int
    max_bytes: int
    pace: float = 1.0  # how fast to sweep, as a share of the usual speed


class ListKeys(msgspec.Struct, array_like=True, tag=1):
    """A page of the keys below `scope`, from `cursor` on; a page may be short."""

    scope: bytes
    cursor: bytes
    limit: int


class Close(msgspec.Struct, array_like=True, tag=2):
    """Flush the memtables and exit."""


class Rewrite(msgspec.Struct, array_like=True, tag=3):
    """Start to rewrite all tables without dead rows, unless a rewrite is in progress."""


Call = Configure | ListKeys | Close | Rewrite


class Request(msgspec.Struct, array_like=True):
    """One turn of the sidecar's event loop. `now` is its wall clock, which the child uses."""

    now: float
    deadline: float  # of CLOCK_MONOTONIC; reads that are reached after it are answered with LATE
    sync: bool  # fsync the log before the writes are answered
    reads: list[bytes]
    writes: list[Write]
    touches: list[tuple[bytes, int]]  # key, hits in memory since the last touch; a read is one too
    call: Call | None = None
    joined: list[int] = []  # places of writes that are one batch with the one before


class Reply(msgspec.Struct, array_like=True):
    reads: list[Row | int]
    writes: list[int]
    evicted: list[bytes]  # keys that L3 evicted for these writes
    status: Status | None = None
    page: Page | None = None
    fault: tuple[str, str] | None = None  # reason, message: the child exits after this
    rewrite: bool | None = None  # whether it was started; False: one is in progress


encode_request = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
encode_record = msgspec.msgpack.Encoder().encode
decode_record = msgspec.msgpack.Decoder(Record).decode
encode_reply = msgspec.msgpack.Encoder().encode
decode_reply = msgspec.msgpack.Decoder(Reply).decode


UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises."""


def framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "little") + payload


def framed_request(request: Request) -> Pieces:
    """The frame of a request; the value of its last write is a piece if it is large."""
    last = request.writes[-1] if request.writes else None
    if not isinstance(last, Put) or len(last.value) <= LARGE_BYTES:
        return (framed(encode_request(request)),)
    value = last.value
    announced: Any = msgspec.Raw(_announced(value))
    writes = [*request.writes[:-1], replace(last, value=announced)]
    payload = encode_request(replace(request, writes=writes))
    behind = (last.checksum, last.terms, request.touches, request.call, request.joined)
    end = len(payload) - sum(len(encode_request(part)) for part in behind)
    return _framed_around(payload[:end], value, payload[end:])


def framed_row(row: bytes) -> Pieces:
    """The frame of the reply to one read that found this row, which is a piece if it is large."""
    if len(row) <= LARGE_BYTES:
        return (framed(encode_reply(Reply([memoryview(row)], [], []))),)
    return _framed_around(_BEFORE_ROW + _announced(row), row, _AFTER_ROW)


def _announced(value: bytes) -> bytes:
    """What MessagePack has before a `bin 32`."""
    return b"\xc6" + len(value).to_bytes(4, "big")


def _framed_around(before: bytes, large: bytes, after: bytes) -> Pieces:
    size = len(before) + len(large) + len(after)
    return size.to_bytes(4, "little") + before, large, after


_BEFORE_ROW, _AFTER_ROW = encode_reply(Reply([ABSENT], [], [])).split(b"\0", 1)


class Unframer:
    """Bytes in, whole frames out. One that comes in pieces is collected in memory of its size."""

    def __init__(self) -> None:
        self._length = bytearray()  # of the next frame, as far as it has come
        self._frame: memoryview | None = None
        self._filled = 0

    def feed(self, data: bytes | memoryview) -> Iterator[memoryview]:
        """Yields payloads. Each has to be decoded before the next, and before `data` changes."""
        rest = memoryview(data)
        while rest:
            if self._frame is None:
                end = 4 + int.from_bytes(rest[:4], "little")
                if not self._length and 4 <= end <= len(rest):
                    yield rest[4:end]  # no copy
                    rest = rest[end:]
                    continue
                missing = 4 - len(self._length)
                self._length += rest[:missing]
                rest = rest[missing:]
                if len(self._length) < 4:
                    return
                self._frame = memoryview(bytearray(int.from_bytes(self._length, "little")))
                self._filled = 0
                self._length.clear()
            count = min(len(rest), len(self._frame) - self._filled)
            self._frame[self._filled : self._filled + count] = rest[:count]
            self._filled += count
            rest = rest[count:]
            if self._filled == len(self._frame):
                yield self._collected()

    def _collected(self) -> memoryview:
        """The frame that is complete. It is not kept here: once it is decoded, it can be freed."""
        frame, self._frame = self._frame, None
        assert frame is not None  # noqa: S101  (only called with one)
        return frame
