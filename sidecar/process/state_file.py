"""Small files that survive a restart: read once at the start, written whole now and then.

What is in them is convenient to have and not needed: one that is missing or damaged is passed over.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


def load(file: Path, kind: type[T], most_bytes: int) -> T | None:
    """What was kept; None where there is nothing, or nothing that can be read. Blocks."""
    try:
        if file.stat().st_size > most_bytes:
            return None
        return msgspec.msgpack.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def save(file: Path, data: bytes) -> None:
    """Replace the file: whoever reads it sees the old data or the new. Blocks. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_suffix(".new")
    scratch.write_bytes(data)
    scratch.replace(file)
