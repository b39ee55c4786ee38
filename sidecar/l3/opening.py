"""Opens RocksDB, whatever the state of the folder.

It waits for a lock that a killed predecessor still holds. A corrupt database, and one in a format
that this version does not read, is set aside, and an empty one is opened. The mark (`l3.stale`)
records that writes were answered while L3 was unavailable: its entries may have been deleted or
replaced since, so it is emptied before it serves reads.

A start may be killed at any point, so each step leaves a state from which the next start can
continue. The folder is removed by a rename; the renamed folder is then deleted, if necessary by the
next start. The mark is removed last, when the empty database is open.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sidecar.l3.database import FORMAT, MIB, Database
from sidecar.l3.mark import MARK, fsync_folder

FOLDER = "l3"
QUARANTINE = "l3.quarantine"
TRASH = "l3.trash"
LOCK, CURRENT = "LOCK", "CURRENT"
"""RocksDB's files: the lock of the process that has it open; the file that every database has."""
LOCK_WAIT_SECONDS = 5.0
LOCK_POLL_SECONDS = 0.05
QUARANTINE_BYTES = 16 * MIB
"""The most bytes that a quarantined folder may keep; they are deducted from the data limit."""

_CORRUPT = re.compile(
    "Corruption"
    "|No such file or directory: While open"  # a manifest or a table has been removed
    "|^Invalid argument:"  # written with other column families
    "|^Not implemented:"  # written by a newer RocksDB
)


class OpenError(Exception):
    """L3 cannot be opened. `reason` is one of locked, full, denied, failed, corrupt."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def open_database(data_dir: Path, *, stale: bool) -> tuple[Database, bool]:
    """The database, and whether all earlier entries are gone. Raises OpenError.

    `stale` has the effect of the mark, for a sidecar that could not set it.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        _finish_what_was_begun(data_dir)
        wiped = stale or (data_dir / MARK).exists()
        if wiped:
            wipe(data_dir)
        wiped = wiped or not (data_dir / FOLDER / CURRENT).exists()
        database = _open(data_dir)
        if database is None:
            quarantine(data_dir)
            wiped, database = True, _open(data_dir)
        if database is None:
            raise OpenError(
                "failed",
                f"{data_dir}: RocksDB reports an empty database as corrupt; check the disk",
            )
        _check_format(database, data_dir)
        with suppress(FileNotFoundError):
            (data_dir / MARK).unlink()
            fsync_folder(data_dir)
    except OSError as error:
        raise OpenError(*explain(str(error), data_dir)) from error
    return database, wiped


def wipe(data_dir: Path) -> None:
    """Empty L3. Raises OSError, and OpenError if another process has it open."""
    with _locked(data_dir / FOLDER):
        _move(data_dir, TRASH)
    shutil.rmtree(data_dir / TRASH)


def _check_format(database: Database, data_dir: Path) -> None:
    """Store the format in a folder that has none. Set one of another format aside, and raise
    OpenError. Raises rocksdict's Exception if the format can be neither read nor stored.
    """
    version = database.format_version()
    if version is None:
        database.mark_format()
    elif version != FORMAT:
        database.close()
        quarantine(data_dir)
        raise OpenError(
            "corrupt",
            f"{data_dir}: L3 is of format {version}, and this version of the sidecar reads "
            f"format {FORMAT}; it was set aside, starting empty",
        )


def quarantine(data_dir: Path) -> None:
    """Set an unusable database aside for diagnosis; it replaces an earlier one.

    RocksDB's info log, options and manifest are kept. Tables and write logs are deleted, since they
    could fill the volume and contain the application's data.
    """
    shutil.rmtree(data_dir / QUARANTINE, ignore_errors=True)
    if os.path.lexists(data_dir / QUARANTINE):  # and cannot be removed
        wipe(data_dir)
        return
    with _locked(data_dir / FOLDER):
        _move(data_dir, QUARANTINE)
    _strip(data_dir / QUARANTINE)


def quarantine_bytes(data_dir: Path) -> int:
    """The part of the data limit that L3 may not use: that of a quarantine, if there is one."""
    return QUARANTINE_BYTES if (data_dir / QUARANTINE).exists() else 0


def is_corruption(error: BaseException) -> bool:
    return _CORRUPT.search(str(error)) is not None


def _finish_what_was_begun(data_dir: Path) -> None:
    """Delete what a killed start has left. A link is no such thing, and is not followed."""
    for name in (TRASH, QUARANTINE):
        if (data_dir / name).is_symlink():
            (data_dir / name).unlink()
    if (data_dir / TRASH).exists():
        shutil.rmtree(data_dir / TRASH)
    if (data_dir / QUARANTINE).exists():
        _strip(data_dir / QUARANTINE)


def _move(data_dir: Path, name: str) -> None:
    with suppress(FileNotFoundError):
        (data_dir / FOLDER).rename(data_dir / name)
    fsync_folder(data_dir)


def _strip(folder: Path) -> None:
    files = [file for file in folder.iterdir() if file.is_file() and not file.is_symlink()]
    for file in files:
        if file.suffix in (".sst", ".log", ".blob"):
            file.unlink()
    if sum(file.stat().st_size for file in files if file.exists()) > QUARANTINE_BYTES:
        shutil.rmtree(folder)


def _open(data_dir: Path) -> Database | None:
    """Open it; None if it is corrupt."""
    give_up = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            return Database(data_dir / FOLDER)
        except Exception as error:
            if is_corruption(error):
                return None
            reason, message = explain(str(error), data_dir)
            if reason != "locked" or time.monotonic() > give_up:
                raise OpenError(reason, message) from error
            time.sleep(LOCK_POLL_SECONDS)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold RocksDB's lock without RocksDB, so that no other process has the folder open.

    Also works for a folder that RocksDB cannot open. Closing the file releases every lock that this
    process has on it, so it has to end before RocksDB opens it.
    """
    give_up = time.monotonic() + LOCK_WAIT_SECONDS
    while (descriptor := _try_lock(folder)) is None:
        if time.monotonic() > give_up:
            raise OpenError(*explain("lock: temporarily unavailable", folder.parent))
        time.sleep(LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)


def _try_lock(folder: Path) -> int | None:
    """A descriptor that holds the lock; None if it is in use or was just renamed."""
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), (folder / LOCK).stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def explain(error: str, data_dir: Path) -> tuple[str, str]:
    """The reason, and a message that says what to do."""
    if "lock" in error.lower() and ("LOCK" in error or "temporarily unavailable" in error):
        return "locked", (
            f"{data_dir} is in use by another process; give each sidecar its own directory"
        )
    if "No space left" in error or "File too large" in error or "quota exceeded" in error:
        return "full", f"{data_dir}: the volume is full; free space on it or enlarge it"
    if "Not a directory" in error or "File exists" in error:
        return "denied", f"{data_dir}: a file is in the place of a directory; remove it ({error})"
    if "Permission denied" in error or "Read-only file system" in error or "not permitted" in error:
        return "denied", f"{data_dir} is not writable; check its owner, mode and mount ({error})"
    return "failed", f"{data_dir}: {error}"
