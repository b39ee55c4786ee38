"""Packed values: their memory, and their round trip."""

from __future__ import annotations

import ctypes
import random

import pytest

from sidecar.model.entry import Packed
from sidecar.tiers.packing import pack, unpack

SIZES = [2_000, 8_000, 60_000, 1 << 20]


@pytest.mark.parametrize("size", SIZES)
def test_a_packed_value_takes_no_more_memory_than_its_length_says(size: int) -> None:
    """The size is that of the allocator, since a limit in bytes is one of resident memory."""
    packed = pack(a_value(size))
    assert isinstance(packed, Packed)
    frame = packed.frame
    assert len(frame) < size / 2
    assert allocated_bytes(frame) < len(frame) + 33 + 64 + 4096 * (len(frame) > 100_000)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_packed_comes_back(size: int) -> None:
    """The bytes are the same, whether packing has saved memory or not."""
    for value in (a_value(size), random.Random(size).randbytes(size)):
        packed = pack(value)
        assert packed is value or (isinstance(packed, Packed) and unpack(packed) == value)


def a_value(size: int) -> bytes:
    """A value of which a third is random."""
    noise = random.Random(size).randbytes(size // 3)
    return noise + bytes(size - len(noise))


def allocated_bytes(value: bytes) -> int:
    """The memory that malloc allocated for a value of more than 512 bytes."""
    usable = ctypes.CDLL(None).malloc_usable_size
    usable.restype, usable.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
    return int(usable(id(value)))
