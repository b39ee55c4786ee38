"""The data directory: the names of what L3 keeps there, and what its errors mean.

Used by both processes, so it does not import RocksDB.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

FOLDER: Final = "l3"
QUARANTINE: Final = "l3.quarantine"
"""A database that could not be used, without its tables."""
TRASH: Final = "l3.trash"
"""What is being deleted."""
COPY: Final = "l3.copy"
"""What is copied from a database with damaged tables."""
LOCK, CURRENT = "LOCK", "CURRENT"
"""RocksDB's files: the lock of the process that has it open; the file that every database has."""


def fsync_folder(folder: Path) -> None:
    """Make created, renamed and removed files in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def in_use(data_dir: Path) -> tuple[str, str]:
    """The reason, and a message, for a folder that another process has claimed or locked."""
    return "locked", f"{data_dir} is in use by another process; give each sidecar its own directory"


def explain(error: str, data_dir: Path) -> tuple[str, str]:
    """The reason, and a message that says what to do."""
    if "Permission denied" in error or "Read-only file system" in error or "not permitted" in error:
        return "denied", f"{data_dir} is not writable; check its owner, mode and mount ({error})"
    if "lock" in error.lower() and ("LOCK" in error or "temporarily unavailable" in error):
        return in_use(data_dir)
    if "No space left" in error or "File too large" in error or "quota exceeded" in error:
        return "full", f"{data_dir}: the volume is full; free space on it or enlarge it"
    if "Not a directory" in error or "File exists" in error:
        return "denied", f"{data_dir}: a file is in the place of a directory; remove it ({error})"
    return "failed", f"{data_dir}: {error}"
