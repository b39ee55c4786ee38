"""`source: {file: products.ndjson.zst}`: a file on a volume, plain or compressed.

The path is relative to the folder of `--warm-dir`, and no link leads out of that. Whether the file
is compressed, by gzip or zstd, is read from its first bytes. Only a thread touches the disk.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import stat
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import ClassVar, Protocol

import zstandard

from sidecar.config.section import Section
from sidecar.config.wording import shown
from sidecar.warmers.reach import FOLDER_FLAG, Reach
from sidecar.warmers.sources.protocol import PIECE_BYTES, SourceError, Stream
from sidecar.warmers.sources.zstd import ZstdReader

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_NO_WAITING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""To open a FIFO would wait for its writer."""


class FileOptions(Section):
    """`warmers[].source` with a `file`."""

    file: str


class FileSource:
    """See the module."""

    name: ClassVar[str] = "file"
    Options: ClassVar[type[Section]] = FileOptions

    def find_fault(self, options: FileOptions, reach: Reach) -> tuple[str, str] | None:
        path = PurePosixPath(options.file)
        if reach.folder is None:
            return "file", (
                f"without {FOLDER_FLAG} no files are allowed; add {FOLDER_FLAG} with the folder "
                "that has the file to the flags of the sidecar"
            )
        if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in options.file:
            return "file", (
                f"{shown(options.file)} is not a path below the folder of {FOLDER_FLAG}; write for "
                "example products.ndjson"
            )
        return None

    @asynccontextmanager
    async def open(self, options: FileOptions, reach: Reach) -> AsyncIterator[Stream]:
        assert reach.folder is not None  # noqa: S101  (else it has a fault)
        file = await asyncio.to_thread(_open, reach.folder, options.file)
        try:
            reader, total_bytes = await asyncio.to_thread(_reader, file, options.file)
            yield Stream(_pieces(reader, options.file), total_bytes)
        finally:
            # In a thread, since it waits for a read that was cancelled and goes on in its own.
            await asyncio.to_thread(file.close)


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


async def _pieces(reader: _Reader, name: str) -> AsyncIterator[bytes]:
    while True:
        try:
            piece = await asyncio.to_thread(reader.read, PIECE_BYTES)
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            raise SourceError(f"{shown(name)} can't be read to its end: {_why(error)}.") from None
        if not piece:
            return
        yield piece


def _open(folder: Path, name: str) -> io.BufferedReader:
    """Raises SourceError. What the descriptor leads to is checked once it is open, so that nobody
    can exchange it between check and use.
    """
    try:
        inside = folder.resolve(strict=True)
        path = (inside / name).resolve(strict=True)
        if not path.is_relative_to(inside):
            raise SourceError(f"{shown(name)} is a link that leads out of {FOLDER_FLAG}.")
        descriptor = os.open(path, _NO_WAITING)
    except (OSError, RuntimeError) as error:  # the latter for links in a circle
        raise SourceError(f"{shown(name)} can't be opened: {_why(error)}.") from None
    try:
        _check(descriptor, inside, name)
    except SourceError:
        os.close(descriptor)
        raise
    return io.BufferedReader(io.FileIO(descriptor), PIECE_BYTES)


def _check(descriptor: int, inside: Path, name: str) -> None:
    if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a device, a pipe or a socket"
        raise SourceError(f"{shown(name)} is {what}, and not a file.")
    if not Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(inside):
        raise SourceError(f"{shown(name)} is a link that leads out of {FOLDER_FLAG}.")


def _reader(file: io.BufferedReader, name: str) -> tuple[_Reader, int | None]:
    """What gives the content, and its length if it is known. Raises SourceError."""
    try:
        begin = file.peek(len(ZSTD))
    except OSError as error:
        raise SourceError(f"{shown(name)} can't be read: {_why(error)}.") from None
    if begin.startswith(GZIP):
        return gzip.GzipFile(fileobj=file, mode="rb"), None
    if begin.startswith(ZSTD):
        return ZstdReader(file), None
    return file, os.fstat(file.fileno()).st_size


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error).rstrip(".")
