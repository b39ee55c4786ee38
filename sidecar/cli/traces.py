"""Trace files: one request per line, `key` or `key,size`, optionally gzipped.

There is no header, and a key has no comma. A file is streamed, since it may be larger than memory.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

_LONGEST_KEY = 1024
_MOST_DIGITS = 20
_LONGEST_LINE = _LONGEST_KEY + _MOST_DIGITS + 3  # a longer line has a key or size too long


class Request(NamedTuple):
    """One line of a trace; `size_bytes` is None if the trace has no sizes."""

    key: bytes
    size_bytes: int | None


class TraceError(Exception):
    """The trace cannot be read. The message is one line that names the file and its line."""


def read(path: Path) -> Iterator[Request]:
    """Yield the requests of the file in order. Raises TraceError at the first invalid line."""
    number = 0
    try:
        with _open(path) as file:
            while line := file.readline(_LONGEST_LINE):
                number += 1
                yield _parse(line.rstrip(b"\r\n"))
    except _BadLineError as error:
        raise TraceError(f"{path}, line {number}: {error}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TraceError(f"{path}, after line {number}: damaged gzip file: {error}") from error
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or error}") from error


class _BadLineError(Exception):
    """The line is not a request."""


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path))
    return path.open("rb")


def _parse(line: bytes) -> Request:
    key, comma, size = line.partition(b",")
    if not 1 <= len(key) <= _LONGEST_KEY:
        raise _BadLineError(f"a key must have 1 to {_LONGEST_KEY} bytes, this one has {len(key)}")
    if not comma:
        return Request(key, None)
    if not size.isdigit() or len(size) > _MOST_DIGITS:
        raise _BadLineError(f"expected `key` or `key,size`, got {line.decode(errors='replace')!r}")
    return Request(key, int(size))
