"""Small files that survive a restart: read once at the start, and replaced atomically.

Their contents are optional: a missing or damaged file is ignored.

A file is a line `cache-sidecar VERSION` and a MessagePack map. Files from before versions were
introduced have only the map. Optional fields may be added to the map without a new version, since
older programs ignore them. A new version is for changes that an older program would misread.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog

FORMAT: Final = 1
"""The version that is written. This and earlier versions can be read."""

_HEADER = re.compile(rb"cache-sidecar (\d{1,9})\n")  # no MessagePack map begins like this

T = TypeVar("T")

log = structlog.get_logger("sidecar.app")


def load(file: Path, kind: type[T], most_bytes: int) -> T | None:
    """The contents; None if the file does not exist or cannot be read. Blocks."""
    try:
        if file.stat().st_size > most_bytes:
            return None
        version, body = _divided(file.read_bytes())
        if version > FORMAT:
            log.warning("State file of a newer format ignored", file=str(file), format=version)
            return None
        return msgspec.msgpack.decode(body, type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def save(file: Path, data: bytes) -> None:
    """Replace the file atomically. Blocks. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_suffix(".new")
    scratch.write_bytes(b"cache-sidecar %d\n" % FORMAT + data)
    scratch.replace(file)


def _divided(data: bytes) -> tuple[int, memoryview]:
    """The version, which is 0 if the file has none, and the map."""
    header = _HEADER.match(data)
    if header is None:
        return 0, memoryview(data)
    return int(header[1]), memoryview(data)[header.end() :]
