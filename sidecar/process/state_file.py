"""Small files that survive a restart: read once at the start, and replaced atomically.

Their contents are optional, and the volume is not trusted: a file that is missing is not read, and
one that is damaged, or is no regular file, is put aside and logged. No link is followed. They are
for their owner alone.

A file is a line `cache-sidecar VERSION`, four bytes of CRC-32 of the rest, and a MessagePack map.
Files of version 1 have no checksum, and those from before versions have only the map. Optional
fields may be added to the map without a new version, since older programs ignore them. A new
version is for changes that an older program would misread.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog

from sidecar.process.private import narrow

FORMAT: Final = 2
"""The version that is written. This and earlier versions can be read."""
DAMAGED = ".damaged"
"""The ending of a file that was put aside; it replaces an earlier one."""

_HEADER = re.compile(rb"cache-sidecar (\d{1,9})\n")  # no MessagePack map begins like this

T = TypeVar("T")
Save = Callable[[Path, bytes], None]
"""What writes a file: `save`, or that of a claim, which writes only what is its own."""

log = structlog.get_logger("sidecar.app")


def load(file: Path, kind: type[T], most_bytes: int) -> T | None:
    """The contents; None if the file does not exist or cannot be used. Blocks."""
    try:
        data = _read(file, most_bytes)
        version, body = _divided(data)
        if version > FORMAT:
            log.warning("State file of a newer format ignored", file=str(file), format=version)
            return None
        return msgspec.msgpack.decode(body, type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EINVAL):  # it may be readable next time
            log.warning("State file unreadable", file=str(file), error=str(error))
            return None
        _put_aside(file, error.strerror or str(error))
    except (ValueError, RecursionError) as error:  # of msgspec, and for text that is not UTF-8
        _put_aside(file, str(error))
    return None


def save(file: Path, data: bytes) -> None:
    """Replace the file atomically. Blocks. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = file.with_suffix(".new")
    with suppress(FileNotFoundError):
        scratch.unlink()  # left by a killed process; or a link, which is not to be followed
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(scratch, flags, 0o600), "wb") as opened:
        opened.write(b"cache-sidecar %d\n" % FORMAT)
        opened.write(zlib.crc32(data).to_bytes(4, "little"))
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())  # a power cut may leave the new name without the new contents
    scratch.replace(file)


def _read(file: Path, most_bytes: int) -> bytes:
    """Raises OSError, with EINVAL for what is no regular file or too large."""
    # Without O_NONBLOCK, opening a pipe without a writer would block forever.
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if status.st_size > most_bytes:
            raise OSError(errno.EINVAL, f"it has more than {most_bytes:,} bytes")
        narrow(descriptor)
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            return opened.read(most_bytes)
    finally:
        os.close(descriptor)


def _divided(data: bytes) -> tuple[int, memoryview]:
    """The version, which is 0 if the file has none, and the map. Raises ValueError if the checksum
    is another one.
    """
    header = _HEADER.match(data)
    if header is None:
        return 0, memoryview(data)
    version, rest = int(header[1]), memoryview(data)[header.end() :]
    if version != FORMAT:
        return version, rest
    checksum, body = rest[:4], rest[4:]
    if zlib.crc32(body) != int.from_bytes(checksum, "little"):
        raise ValueError("its checksum is wrong")
    return version, body


def _put_aside(file: Path, reason: str) -> None:
    aside = file.with_name(file.name + DAMAGED)
    try:
        file.replace(aside)
    except OSError as error:
        reason = f"{reason}; it cannot be renamed either: {error.strerror}"
    log.warning("State file put aside", file=str(file), reason=reason)
