"""The mark on the volume that L3 has missed writes.

The sidecar sets the mark before it answers writes without L3. The child that finds the mark empties
L3 before it serves reads. Used by both processes, so it does not import RocksDB.
"""

from __future__ import annotations

import os
from pathlib import Path

MARK = "l3.stale"


def leave_mark(data_dir: Path) -> None:
    """Set the mark, durably. Raises OSError if it cannot be written."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(data_dir / MARK, os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fsync_folder(data_dir)


def fsync_folder(folder: Path) -> None:
    """Make created, renamed and removed files in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
