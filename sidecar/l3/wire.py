"""The protocol between the sidecar and the child process that runs L3.

Both directions are streams of frames over a socket pair: four bytes of length, then MessagePack.
Writes, records and pages are those of `model.writes` and `model.answers`, encoded as arrays; the
first element of a write or a call is its tag.
Answers carry no numbers of what they answer. Reads are answered in the order in which they were
asked, writes in the order in which they were sent, calls likewise; within one frame reads come
before writes. That order is what the store's promises rest on, so it is the protocol.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from sidecar.model.answers import Page, Record, Status
from sidecar.model.writes import Write

MAX_FRAME_BYTES = 1 << 20
"""A frame is closed when it holds this much; one large value may exceed it, alone."""
MAX_FRAME_READS = 64
MAX_FRAME_WRITES = 256


class Configure(msgspec.Struct, array_like=True, tag=0):
    """The tier's configuration; takes effect with the next write."""

    score: str  # the import path of a policy's score
    max_entries: int
    max_bytes: int
    pace: float = 1.0  # how fast to sweep, as a share of the usual speed


class ListKeys(msgspec.Struct, array_like=True, tag=1):
    """A page of the keys below `scope`. `cursor` is where to go on; a page may be short."""

    scope: bytes
    cursor: bytes
    limit: int


class Close(msgspec.Struct, array_like=True, tag=2):
    """Write out what is in memory and end."""


class Rewrite(msgspec.Struct, array_like=True, tag=3):
    """Begin to rewrite all tables without what is dead, unless that is being done."""


Call = Configure | ListKeys | Close | Rewrite


class Request(msgspec.Struct, array_like=True):
    """One turn of the sidecar's event loop. `now` is its wall clock; the child has no other."""

    now: float
    deadline: float  # reads that are reached after this are answered LATE, unread
    sync: bool  # fsync the log before the writes are answered
    reads: list[bytes]
    writes: list[Write]
    touches: list[tuple[bytes, int]]  # key, hits in memory since the last touch; a read is one too
    call: Call | None = None


class Reply(msgspec.Struct, array_like=True):
    reads: list[Record | int]
    writes: list[int]
    evicted: list[bytes]  # keys that these writes pushed out of L3
    status: Status | None = None
    page: Page | None = None
    fault: tuple[str, str] | None = None  # reason, message: the child ends after saying so
    rewrite: bool | None = None  # whether it has been begun; False: it is under way already


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
        """A payload is to be decoded before the next is asked for, and before `data` changes."""
        buffer = self._buffer
        if not buffer and len(data) == 4 + int.from_bytes(data[:4], "little"):
            yield memoryview(data)[4:]  # one frame and all of it: nothing is copied
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
