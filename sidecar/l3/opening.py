"""Getting RocksDB open, whatever state the folder is in.

A lock that a killed predecessor still holds is waited for. A corrupt database is put aside and an
empty one opened. A mark (`l3.stale`) says that writes were answered while L3 was out of reach: what
it holds may have been deleted or replaced since, so it is emptied before anybody reads it.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from sidecar.l3.database import Database
from sidecar.l3.mark import MARK, fsync_folder

FOLDER = "l3"
QUARANTINE = "l3.quarantine"
LOCK_WAIT_SECONDS = 5.0


class OpenError(Exception):
    """L3 can't be opened. `reason` is one of locked, full, denied, failed."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def open_database(data_dir: Path, *, stale: bool) -> tuple[Database, bool]:
    """The database, and whether it was emptied on the way. Raises OpenError.

    `stale` does what the mark does, for who could not leave one.
    """
    folder = data_dir / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        wiped = stale or (data_dir / MARK).exists()
        database = _open(folder, wipe=wiped)
        if database is None:
            quarantine(data_dir)
            folder.mkdir()
            wiped, database = True, _open(folder, wipe=False)
        if database is None:
            raise OpenError("failed", f"{folder}: an empty database is said to be corrupt")
        (data_dir / MARK).unlink(missing_ok=True)
        fsync_folder(data_dir)
    except OSError as error:
        raise OpenError(*_explain(str(error), data_dir)) from error
    return database, wiped


def quarantine(data_dir: Path) -> None:
    """Put the database aside for whoever wants to look; the one before it makes room."""
    shutil.rmtree(data_dir / QUARANTINE, ignore_errors=True)
    (data_dir / FOLDER).rename(data_dir / QUARANTINE)
    fsync_folder(data_dir)


def is_corruption(error: BaseException) -> bool:
    return "Corruption" in str(error)


def _open(folder: Path, *, wipe: bool) -> Database | None:
    """Open it; None when it is corrupt. Holds RocksDB's own lock before anything is deleted."""
    give_up = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            database = Database(folder)
        except Exception as error:
            if is_corruption(error):
                return None
            reason, message = _explain(str(error), folder.parent)
            if reason != "locked" or time.monotonic() > give_up:
                raise OpenError(reason, message) from error
            time.sleep(0.05)
            continue
        if not wipe:
            return database
        database.close()
        del database  # RocksDB's lock goes with the last reference
        shutil.rmtree(folder)
        folder.mkdir()
        wipe = False


def _explain(error: str, data_dir: Path) -> tuple[str, str]:
    """The reason, and a line that says what to do."""
    if "lock" in error.lower() and ("LOCK" in error or "temporarily unavailable" in error):
        return "locked", (
            f"{data_dir} is in use by another process; give each sidecar a folder of its own"
        )
    if "No space left" in error:
        return "full", f"{data_dir}: the volume is full; free space or give it a larger one"
    if "Permission denied" in error or "Read-only file system" in error:
        return "denied", f"{data_dir} is not writable; check its owner, mode and mount ({error})"
    return "failed", f"{data_dir}: {error}"
