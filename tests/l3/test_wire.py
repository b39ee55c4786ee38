"""Frames, however the bytes of a stream come."""

from __future__ import annotations

import pytest

from sidecar.l3 import wire

PAYLOADS = [b"", b"a", b"bc" * 300, b"", b"d"]
STREAM = b"".join(map(wire.framed, PAYLOADS))


@pytest.mark.parametrize("at_once", [1, 3, 4, 5, 7, 600, len(STREAM)])
def test_frames_come_whole_however_the_stream_is_cut(at_once: int) -> None:
    """Byte by byte, with the beginning of the next, or all at once: the same payloads."""
    unframer = wire.Unframer()
    found: list[bytes] = []
    for start in range(0, len(STREAM), at_once):
        found += map(bytes, unframer.feed(STREAM[start : start + at_once]))
    assert found == PAYLOADS


def test_a_frame_that_comes_alone_and_one_in_pieces_take_turns() -> None:
    """What comes as one frame is not mistaken for the rest of another."""
    unframer = wire.Unframer()
    whole, other = wire.framed(b"whole"), wire.framed(wire.framed(b"inner"))
    found: list[bytes] = []
    for piece in (whole, other[:4], other[4:], whole):
        found += map(bytes, unframer.feed(memoryview(piece)))
    assert found == [b"whole", wire.framed(b"inner"), b"whole"]
