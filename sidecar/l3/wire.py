"""The protocol between the sidecar and the child process that runs L3.

Both directions are streams of frames over a socket pair: four bytes of length, then MessagePack.
Writes, records and pages are those of `model.writes` and `model.answers`, encoded as arrays; the
first element of a write or a call is its tag.
Answers carry no request numbers. Reads, writes and calls are each answered in the order in which
they were sent; within one frame reads come before writes. The store's guarantees depend on that
order, so it is part of the protocol.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from sidecar.model.answers import Page, Record, Status
from sidecar.model.writes import Write

MAX_FRAME_BYTES = 1 << 20
"""A frame is sent when it has this many bytes; a single large value may exceed it."""
MAX_FRAME_READS = 64
MAX_FRAME_WRITES = 256


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
    deadline: float  # reads that are reached after this are answered with LATE
    sync: bool  # fsync the log before the writes are answered
    reads: list[bytes]
    writes: list[Write]
    touches: list[tuple[bytes, int]]  # key, hits in memory since the last touch; a read is one too
    call: Call | None = None


class Reply(msgspec.Struct, array_like=True):
    reads: list[Record | int]
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


def framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "little") + payload


class Unframer:
    """Bytes in, whole frames out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> Iterator[bytes | memoryview]:
        """Yields payloads. Each has to be decoded before the next, and before `data` changes."""
        buffer = self._buffer
        if not buffer and len(data) == 4 + int.from_bytes(data[:4], "little"):
            yield memoryview(data)[4:]  # exactly one frame: no copy
            return
        buffer += data
        start = 0
        while len(buffer) - start >= 4:
            end = start + 4 + int.from_bytes(buffer[start : start + 4], "little")
            if len(buffer) < end:
                break
            yield bytes(memoryview(buffer)[start + 4 : end])
            start = end
        if start:
            del buffer[:start]
