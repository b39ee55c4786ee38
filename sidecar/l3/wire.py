"""What the sidecar and the child that runs L3 say to each other.

Both directions are streams of frames over a socket pair: four bytes of length, then MessagePack.
Answers carry no numbers of what they answer. Reads are answered in the order in which they were
asked, writes in the order in which they were sent, calls likewise; within one frame reads come
before writes. That order is what the store's promises rest on, so it is the protocol.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

MAX_FRAME_BYTES = 1 << 20
"""A frame is closed when it holds this much; one large value may exceed it, alone."""
MAX_FRAME_READS = 64
MAX_FRAME_WRITES = 256


class Put(msgspec.Struct, array_like=True, tag=0, gc=False):
    key: bytes
    seq: int
    created_at: float
    expires_at: float
    content_type: str
    size: int  # of the value as the user put it; where `value` is shorter, it is a zstd frame
    value: bytes


class Delete(msgspec.Struct, array_like=True, tag=1, gc=False):
    key: bytes
    seq: int


class Invalidate(msgspec.Struct, array_like=True, tag=2, gc=False):
    """Everything below `scope` (a prefix of full keys) that was written before `seq` is gone."""

    scope: bytes
    seq: int


Write = Put | Delete | Invalidate


class Configure(msgspec.Struct, array_like=True, tag=0):
    """The tier's configuration; takes effect with the next write."""

    policy: str
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


class Record(msgspec.Struct, array_like=True, gc=False):
    """A version that L3 has, past its life or not: the sidecar's clock decides."""

    seq: int
    created_at: float
    expires_at: float
    content_type: str
    size: int
    value: bytes


ABSENT, LATE = 0, 1
"""Why a read has no record."""

NEW, REPLACED, REFUSED = 0, 1, 2
"""What a write met: nothing, an older version, or limits or an invalidation that keep it out."""


class Listed(msgspec.Struct, array_like=True, gc=False):
    key: bytes
    size: int
    expires_at: float
    hits: int = 0  # as far as L3 has heard of them


class Page(msgspec.Struct, array_like=True):
    keys: list[Listed]
    cursor: bytes | None


class Status(msgspec.Struct, array_like=True, gc=False):
    """The child's account of itself; sent after changes and at least once a second."""

    entries: int
    used_bytes: int
    evictions: int
    expirations: int
    folder_bytes: int
    pending_compaction_bytes: int
    max_seq: int
    invalidations: int
    slowed: bool  # writes are held back until the folder has shrunk
    wiped: bool  # L3 has nothing of what it had before this child opened it


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
