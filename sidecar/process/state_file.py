"""Small files that survive a restart: read once at the start, replaced as a whole now and then.

Their contents are convenient to have and not needed: a file that is missing or damaged is ignored.

A file is a line `cache-sidecar VERSION` and a MessagePack map. Files from before there was a
version have the map alone. An optional field may be added to the map without a new version: who
does not know it ignores it. A version is for a change that an older program would misread.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog

FORMAT: Final = 1
"""The version that is written; it and those before it can be read."""

_HEADER = re.compile(rb"cache-sidecar (\d{1,9})\n")  # no map in MessagePack begins like this

T = TypeVar("T")

log = structlog.get_logger("sidecar.app")


def load(file: Path, kind: type[T], most_bytes: int) -> T | None:
    """The contents; None where there is no file, or none that can be read. Blocks."""
    try:
        if file.stat().st_size > most_bytes:
            return None
        version, body = _divided(file.read_bytes())
        if version > FORMAT:
            log.warning("A file of a newer format is ignored", file=str(file), format=version)
            return None
        return msgspec.msgpack.decode(body, type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def save(file: Path, data: bytes) -> None:
    """Replace the file: who reads it sees the old data or the new. Blocks. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_suffix(".new")
    scratch.write_bytes(b"cache-sidecar %d\n" % FORMAT + data)
    scratch.replace(file)


def _divided(data: bytes) -> tuple[int, memoryview]:
    """The version, 0 where the file has none, and the map."""
    header = _HEADER.match(data)
    if header is None:
        return 0, memoryview(data)
    return int(header[1]), memoryview(data)[header.end() :]
