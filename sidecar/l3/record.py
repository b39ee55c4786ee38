"""The record of what L3 misses while it is away: deletions and invalidations, in its witness.

The sidecar writes it, since L3's process is not there, and clears it when L3 has all of it. A child
applies what it finds before it answers the first read. The record is bounded; one that overflowed,
or is damaged, is lost, and then L3 is emptied.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from sidecar.l3 import wire
from sidecar.l3.witness import (
    HEAD_AT,
    MAGIC,
    MOST_RECORD_BYTES,
    RECORD_AT,
    DamagedWitnessError,
    MissingWitnessError,
    open_witness,
    read_at,
    sealed,
    unsealed,
)
from sidecar.model.writes import Write

_HEAD = struct.Struct("<8sII?")  # magic, bytes of the record, their CRC-32, whether it overflowed
_SEALED_HEAD_BYTES = _HEAD.size + 4

EMPTY_RECORD = sealed(_HEAD.pack(MAGIC, 0, 0, False))
"""The head of the record of a new witness."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Write).decode


class LostRecordError(Exception):
    """L3 has missed writes, and the record does not tell which."""


def item_of(write: Write) -> bytes:
    """A write as a part of the record."""
    return wire.framed(_encode(write))


def read_record(folder: Path) -> list[Write]:
    """What L3 in this folder has missed, in order. Raises LostRecordError, OSError."""
    try:
        head = read_at(folder, HEAD_AT, _SEALED_HEAD_BYTES)
        _, size, checksum, overflowed = _HEAD.unpack(unsealed(head, _HEAD.size))
        data = read_at(folder, RECORD_AT, min(size, MOST_RECORD_BYTES))
    except MissingWitnessError:
        return []  # opening tells what that means
    except DamagedWitnessError as error:
        raise LostRecordError(str(error)) from None
    if overflowed or len(data) < size or zlib.crc32(data) != checksum:
        raise LostRecordError("it overflowed" if overflowed else "it is damaged")
    return list(_writes(data))


def _writes(data: bytes) -> Iterator[Write]:
    """Raises LostRecordError."""
    rest = memoryview(data)
    while rest:
        end = 4 + int.from_bytes(rest[:4], "little")
        if end > len(rest):
            raise LostRecordError("a part of it is missing")
        try:
            yield _decode(rest[4:end])
        except msgspec.DecodeError as error:
            raise LostRecordError(str(error)) from None
        rest = rest[end:]


class RecordFile:
    """Writes the record of one absence. Everything here blocks, and raises OSError."""

    def __init__(self, folder: Path) -> None:
        """Open the witness; one is created for a folder from before there were any."""
        self._descriptor = open_witness(folder, EMPTY_RECORD)
        self._size = self._checksum = 0

    def write(self, items: bytes) -> None:
        """Let the record be `items`, of MOST_RECORD_BYTES at most."""
        self._size = self._checksum = 0
        self.append(items)

    def append(self, items: bytes) -> None:
        """Add to the record. It is on the disk when this returns."""
        if not os.fstat(self._descriptor).st_nlink:
            raise FileNotFoundError(errno.ENOENT, "L3's folder was replaced")
        os.pwrite(self._descriptor, items, RECORD_AT + self._size)
        self._write_head(self._size + len(items), zlib.crc32(items, self._checksum))

    def overflow(self) -> None:
        """From now on the record is lost: the next child empties L3."""
        self._write_head(0, 0, overflowed=True)

    def clear(self) -> None:
        """L3 has missed nothing."""
        self._write_head(0, 0)

    def close(self) -> None:
        os.close(self._descriptor)

    def _write_head(self, size: int, checksum: int, *, overflowed: bool = False) -> None:
        head = sealed(_HEAD.pack(MAGIC, size, checksum, overflowed))
        os.pwrite(self._descriptor, head, HEAD_AT)
        os.fdatasync(self._descriptor)
        self._size, self._checksum = size, checksum


def carry_over(folder: Path, copy: Path) -> None:
    """Let the copy of a database have its record. Raises LostRecordError, OSError."""
    record = RecordFile(copy)
    try:
        record.write(b"".join(map(item_of, read_record(folder))))
    finally:
        record.close()
