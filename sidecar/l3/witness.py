"""The witness: a file beside RocksDB's that remembers what RocksDB itself cannot.

A log that was damaged, cut or deleted is not noticed by RocksDB: it recovers an earlier state, in
which values that were deleted or replaced are back. So the child notes here the sequence number of
each write before it is answered (`Mark`), and a database that recovers fewer has a hole. A manifest
whose end was cut is no different: it lacks tables whose logs were deleted. Its size and checksum
are noted after each flush. The sidecar records here what L3 misses while it is away (`record`).

| bytes | what |
|---|---|
| 0 to 2047 | the mark, written by the child |
| 2048 to 4095 | the head of the record, written by the sidecar |
| 4096 to the end | the record |

The file is in RocksDB's folder, so it shares its fate when that is moved or deleted. It is
allocated as a whole, so that it can be written when the volume is full. A write of less than a page
is whole after a kill -9; after a power cut any of them may be missing, which the boot identifier
tells. Used by both processes, so it does not import RocksDB.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import zlib
from pathlib import Path
from typing import Final

import msgspec

from sidecar.l3.manifest import Manifest

WITNESS: Final = "witness"
HEAD_AT, RECORD_AT = 2048, 4096
MOST_RECORD_BYTES: Final = 1 << 20
FILE_BYTES: Final = RECORD_AT + MOST_RECORD_BYTES
MAGIC = b"witness1"

_MARK = struct.Struct("<8s16sQQQ?QQI")  # magic, then the fields of `Marked`
_CHECKSUM_BYTES = 4
MARK_BYTES: Final = _MARK.size


class DamagedWitnessError(Exception):
    """The witness is missing, or is not what was written."""


class MissingWitnessError(DamagedWitnessError):
    """There is no file."""


class Marked(msgspec.Struct, frozen=True):
    """The content of the mark: sequence numbers of RocksDB, and the highest number of a write."""

    boot: bytes
    last_seq: int
    synced_seq: int
    max_seq: int
    damaged: bool
    manifest: Manifest
    """What it has at least."""

    def least_seq(self, boot: bytes) -> int:
        """The sequence number that the database must have reached."""
        return self.last_seq if boot == self.boot else self.synced_seq


class Mark:
    """Notes how far the database has come. One system call for each batch, of two microseconds."""

    def __init__(self, folder: Path, empty_record: bytes, before: Marked | None) -> None:
        """Open the witness of `folder`, or create it with this head of its record; `before` is what
        was noted before. Raises OSError.
        """
        self._descriptor = open_witness(folder, empty_record)
        self._boot = boot_id()
        self._synced_seq = 0
        self.max_seq = 0 if before is None else before.max_seq
        self.damaged = before is not None and before.damaged
        """Whether a block cannot be read, so that the database must be copied before it is used."""
        self.manifest = Manifest()

    def note(self, seq: int, *, synced: bool) -> None:
        """All writes up to `seq` are in the log, and on the disk if `synced`. Raises OSError."""
        if synced:
            self._synced_seq = seq
        numbers = (seq, self._synced_seq, self.max_seq)
        content = _MARK.pack(MAGIC, self._boot, *numbers, self.damaged, *self.manifest)
        os.pwrite(self._descriptor, sealed(content), 0)

    def close(self) -> None:
        os.close(self._descriptor)


def read_mark(folder: Path) -> Marked | None:
    """What was noted last; None if nothing was yet. Raises DamagedWitnessError, OSError."""
    data = read_at(folder, 0, MARK_BYTES + _CHECKSUM_BYTES)
    if data and not any(data):
        return None
    _, boot, last, synced, highest, damaged, *manifest = _MARK.unpack(unsealed(data, MARK_BYTES))
    return Marked(boot, last, synced, highest, damaged, Manifest(*manifest))


def last_write(folder: Path) -> int:
    """The highest number of a write that L3 has had; 0 if that is unknown. Blocks."""
    try:
        marked = read_mark(folder)
    except (OSError, DamagedWitnessError):
        return 0
    return 0 if marked is None else marked.max_seq


def read_at(folder: Path, offset: int, size: int) -> bytes:
    """A part of the file, shorter if it was cut. Raises DamagedWitnessError, OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(folder / WITNESS, flags)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            raise MissingWitnessError("the file is missing, or is a link") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DamagedWitnessError("it is no regular file")
        return os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)


def open_witness(folder: Path, empty_record: bytes) -> int:
    """A descriptor to write the file with, in its full size. A new one has this head of a record.
    Raises OSError.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_CREAT
    descriptor = os.open(folder / WITNESS, flags, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size == 0:
            os.pwrite(descriptor, empty_record, HEAD_AT)
        if size < FILE_BYTES:
            os.posix_fallocate(descriptor, 0, FILE_BYTES)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def sealed(content: bytes) -> bytes:
    """The content and its CRC-32."""
    return content + zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")


def unsealed(data: bytes, size: int) -> bytes:
    """The content of `size` bytes. Raises DamagedWitnessError if its checksum is wrong."""
    content = data[:size]
    if not content.startswith(MAGIC) or data != sealed(content):
        raise DamagedWitnessError("its checksum is wrong")
    return content


def boot_id() -> bytes:
    """16 bytes that differ after each boot of the machine; zeros if the kernel does not tell."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return bytes(16)
    return bytes.fromhex(text.strip().replace("-", ""))
