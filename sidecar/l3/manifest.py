"""RocksDB's manifest, as far as the witness knows it: its number, its size, and its checksum.

It grows until RocksDB begins another one, with a higher number, and no byte of it changes. RocksDB
notices a record that is damaged. But it takes zeros, and a record that is not there as a whole, for
the end of a manifest that was being written: what follows, it does without.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sidecar.l3.folder import CURRENT

PIECE_BYTES = 1 << 16


class Manifest(NamedTuple):
    """A manifest, up to a size."""

    number: int = 0
    size: int = 0
    checksum: int = 0


def manifest_of(folder: Path, known: Manifest) -> Manifest:
    """The manifest of a database, of which only what is beyond `known` is read. Raises OSError, and
    ValueError if there is none.
    """
    number, path = _find(folder)
    size, checksum = known[1:] if number == known.number else (0, 0)
    with path.open("rb") as file:
        file.seek(size)
        read, checksum = _read(file, None, checksum)
    return Manifest(number, size + read, checksum)


def has_manifest(folder: Path, known: Manifest) -> bool:
    """Whether the database has this one, or a later one. Raises as above."""
    number, path = _find(folder)
    if number != known.number:
        return number > known.number
    with path.open("rb") as file:
        return _read(file, known.size, 0) == known[1:]


def _find(folder: Path) -> tuple[int, Path]:
    name = (folder / CURRENT).read_text().strip()
    return int(name.removeprefix("MANIFEST-")), folder / name


def _read(file: BinaryIO, most: int | None, checksum: int) -> tuple[int, int]:
    """How much there is, up to `most`, and the checksum that goes on with it."""
    size = 0
    while data := file.read(PIECE_BYTES if most is None else min(PIECE_BYTES, most - size)):
        size += len(data)
        checksum = zlib.crc32(data, checksum)
    return size, checksum
