"""The mark on the volume that says: L3 has missed writes.

Whoever answers writes without L3 leaves it first, and whoever opens L3 and finds it empties L3
before anybody reads there. Known to both processes, so it knows nothing of RocksDB.
"""

from __future__ import annotations

import os
from pathlib import Path

MARK = "l3.stale"


def leave_mark(data_dir: Path) -> None:
    """Leave the mark, durably. Raises OSError where it can't be written."""
    data_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(data_dir / MARK, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fsync_folder(data_dir)


def fsync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
