"""Frames, for any split of a stream."""

from __future__ import annotations

import pytest

from sidecar.l3 import wire
from sidecar.model.answers import ABSENT, LATE, ListedKey, Page, Record
from sidecar.model.writes import (
    NEW,
    REFUSED,
    REPLACED,
    Delete,
    Invalidate,
    InvalidateTags,
    Put,
    Renew,
    Write,
)

PAYLOADS = [b"", b"a", b"bc" * 300, b"", b"d"]
STREAM = b"".join(map(wire.framed, PAYLOADS))


@pytest.mark.parametrize("at_once", [1, 3, 4, 5, 7, 600, len(STREAM)])
def test_frames_come_whole_however_the_stream_is_cut(at_once: int) -> None:
    """Byte by byte, with the beginning of the next frame, or all at once: the same payloads."""
    unframer = wire.Unframer()
    found: list[bytes] = []
    for start in range(0, len(STREAM), at_once):
        found += map(bytes, unframer.feed(STREAM[start : start + at_once]))
    assert found == PAYLOADS


def test_a_frame_that_comes_alone_and_one_in_pieces_take_turns() -> None:
    """A whole frame is not mistaken for the rest of another."""
    unframer = wire.Unframer()
    whole, other = wire.framed(b"whole"), wire.framed(wire.framed(b"inner"))
    found: list[bytes] = []
    for piece in (whole, other[:4], other[4:], whole):
        found += map(bytes, unframer.feed(memoryview(piece)))
    assert found == [b"whole", wire.framed(b"inner"), b"whole"]


def test_a_request_keeps_its_encoding() -> None:
    """Arrays in this order and with these tags, since a child of another version reads them."""
    writes: list[Write] = [
        Put(b"n/k", 7, 1.0, 2.0, "t", 1, b"v", 5),
        Delete(b"n/d", 8),
        Invalidate(b"n/", 9),
        InvalidateTags([3], 10),
        Renew(b"n/p", 7, 2.0),
    ]
    request = wire.Request(1.0, 2.0, True, [b"n/r"], writes, [(b"n/t", 3)], wire.Close(), [1])
    assert wire.encode_request(request) == (
        b"\x98\xcb\x3f\xf0\0\0\0\0\0\0\xcb\x40\0\0\0\0\0\0\0\xc3\x91\xc4\x03n/r\x95"
        b"\x9a\0\xc4\x03n/k\x07\xcb\x3f\xf0\0\0\0\0\0\0\xcb\x40\0\0\0\0\0\0\0\xa1t\x01\xc4\x01v\x05"
        b"\xc4\0"
        b"\x93\x01\xc4\x03n/d\x08\x93\x02\xc4\x02n/\x09"
        b"\x95\x03\x91\x03\x0a\0\xc2"
        b"\x94\x04\xc4\x03n/p\x07\xcb\x40\0\0\0\0\0\0\0"
        b"\x91\x92\xc4\x03n/t\x03\x91\x02\x91\x01"
    )


@pytest.mark.parametrize("size", [0, wire.LARGE_BYTES, wire.LARGE_BYTES + 1, 3 << 20])
def test_a_frame_in_pieces_is_the_same_frame(size: int) -> None:
    """A large value is not copied into its frame; the bytes of the stream stay the same."""
    put = Put(b"n/k", 7, 1.0, 2.0, "t", size, bytes(size), 1 << 63)
    for writes in ([put], [Delete(b"n/d", 6), put]):
        request = wire.Request(
            1.0, 2.0, True, [b"n/r"], [*writes], [(b"n/t", 3)], wire.Close(), [1]
        )
        frame = wire.framed_request(request)
        assert b"".join(frame) == wire.framed(wire.encode_request(request))
        assert (put.value in frame) == (size > wire.LARGE_BYTES)
    row = wire.encode_record(Record(7, 1.0, 2.0, "t", size, bytes(size)))
    reply = wire.framed(wire.encode_reply(wire.Reply([memoryview(row)], [], [])))
    assert b"".join(wire.framed_row(row)) == reply
    assert wire.decode_reply(reply[4:]).reads == [memoryview(row)]


def test_a_reply_keeps_its_encoding() -> None:
    """Rows are bytes, pages are arrays; outcomes are numbers."""
    row = memoryview(b"row")
    page = Page([ListedKey(b"n/k", 1, 2.0, 3)], None)
    reply = wire.Reply([row, ABSENT, LATE], [NEW, REPLACED, REFUSED], [b"n/e"], page=page)
    assert wire.encode_reply(reply) == (
        b"\x97\x93\xc4\x03row\0\x01"
        b"\x93\0\x01\x02\x91\xc4\x03n/e\xc0"
        b"\x92\x91\x95\xc4\x03n/k\x01\xcb\x40\0\0\0\0\0\0\0\x03\xcb\0\0\0\0\0\0\0\0\xc0\xc0\xc0"
    )
