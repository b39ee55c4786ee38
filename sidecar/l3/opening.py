"""Opens RocksDB, whatever the state of the folder.

It waits for a lock that a killed predecessor still holds. A database that cannot be opened, whose
history has a hole, or in a format that this version does not read, is set aside, and an empty one
is opened. One with a damaged table is copied, as far as it can be read (see `salvage`). One that
missed more writes than could be recorded is emptied.

A start may be killed at any point, so each step leaves a state from which the next start can
continue. A folder is removed by a rename, and then deleted, if necessary by the next start. A copy
takes the place of the folder when it is complete: without a folder, a copy is complete.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from sidecar.l3.database import FORMAT, MIB, Database, is_corruption
from sidecar.l3.folder import (
    COPY,
    CURRENT,
    FOLDER,
    LOCK,
    QUARANTINE,
    TRASH,
    explain,
    fsync_folder,
    in_use,
)
from sidecar.l3.record import LostRecordError, carry_over, read_record
from sidecar.l3.salvage import salvage
from sidecar.l3.space import folder_bytes
from sidecar.l3.strangers import remove_strangers
from sidecar.l3.witness import WITNESS, DamagedWitnessError, read_mark
from sidecar.process.private import narrow_folder

LOCK_WAIT_SECONDS = 3.0
LOCK_POLL_SECONDS = 0.05
QUARANTINE_BYTES = 16 * MIB
"""The most bytes that a quarantined folder may keep; they are deducted from the data limit."""


class OpenError(Exception):
    """L3 cannot be opened. `reason` is one of locked, full, denied, failed, corrupt."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Opened(NamedTuple):
    """A database that serves."""

    database: Database
    wiped: bool
    """Whether nothing is left from before."""
    gone: str
    """Why entries from before are gone; empty if none are."""


def open_database(data_dir: Path, *, empty: bool, data_limit: int | None = None) -> Opened:
    """Open it, or what can be had in its place. Raises OpenError.

    `empty` is whether it missed writes that nobody knows any more; its record may say so as well.
    """
    folder = data_dir / FOLDER
    gone = ""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        _finish_what_was_begun(data_dir)
        if folder.exists():  # else data_dir may be for something else, too
            narrow_folder(data_dir)
            narrow_folder(folder)
            remove_strangers(folder)
        if empty or _has_lost_its_record(folder):
            gone = "it missed more writes than are known"
            wipe(data_dir)
        elif _has_damaged_tables(folder):
            gone = _replace_by_copy(data_dir, data_limit)
        wiped = not (folder / CURRENT).exists()
        database = _open(data_dir)
        if isinstance(database, str):
            gone, wiped = f"{database}; the rest was set aside", True
            quarantine(data_dir)
            database = _open(data_dir)
        if isinstance(database, str):
            raise OpenError(
                "failed",
                f"{data_dir}: RocksDB reports an empty database as corrupt; check the disk",
            )
        _check_format(database, data_dir)
    except OSError as error:
        raise OpenError(*explain(str(error), data_dir)) from error
    return Opened(database, wiped, gone)


def wipe(data_dir: Path) -> None:
    """Empty L3. Raises OSError, and OpenError if another process has it open."""
    with _locked(data_dir / FOLDER):
        _move(data_dir, FOLDER, TRASH)
    shutil.rmtree(data_dir / TRASH)


def _has_lost_its_record(folder: Path) -> bool:
    if not (folder / WITNESS).exists():
        return False  # opening tells what that means
    try:
        read_record(folder)
    except LostRecordError:
        return True
    return False


def _has_damaged_tables(folder: Path) -> bool:
    try:
        marked = read_mark(folder)
    except DamagedWitnessError:
        return False  # likewise
    return marked is not None and marked.damaged


def _replace_by_copy(data_dir: Path, data_limit: int | None) -> str:
    """Replace a database with damaged tables by a copy of what can be read, with its record. It is
    set aside if that is too little, or if the volume has no room for a copy. Returns what is gone.
    Raises OSError, OpenError.
    """
    folder, copy = data_dir / FOLDER, data_dir / COPY
    size = folder_bytes(folder)
    has_room = size < shutil.disk_usage(data_dir).free
    if not has_room or (data_limit is not None and 2 * size > data_limit):
        quarantine(data_dir)
        return "it has damaged tables, and there is no room for a copy"
    try:
        copied, lost = salvage(folder, copy)
    except Exception as error:
        shutil.rmtree(copy, ignore_errors=True)
        if not is_corruption(error):
            raise OpenError(*explain(str(error), data_dir)) from error
        quarantine(data_dir)
        raise OpenError("corrupt", f"{error}; it was set aside, starting empty") from error
    with _locked(folder):
        carry_over(folder, copy)
        _move(data_dir, FOLDER, TRASH)
        _move(data_dir, COPY, FOLDER)
    shutil.rmtree(data_dir / TRASH)
    return f"it had damaged tables: {copied:,} entries were copied, {lost:,} could not be read"


def _check_format(database: Database, data_dir: Path) -> None:
    """Store the format in a folder that has none. Set one of another format aside, and raise
    OpenError. Raises rocksdict's Exception if the format can be neither read nor stored.
    """
    try:
        version = database.format_version()
    except Exception as error:
        if not is_corruption(error):
            raise
        database.release()
        quarantine(data_dir)
        raise OpenError("corrupt", f"{error}; it was set aside, starting empty") from error
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
        _move(data_dir, FOLDER, QUARANTINE)
    _strip(data_dir / QUARANTINE)


def quarantine_bytes(data_dir: Path) -> int:
    """The part of the data limit that L3 may not use: that of a quarantine, if there is one."""
    return QUARANTINE_BYTES if (data_dir / QUARANTINE).exists() else 0


def _finish_what_was_begun(data_dir: Path) -> None:
    """Delete what a killed start has left. What is no folder is no such thing: it is removed, and
    no link is followed.
    """
    for name in (FOLDER, COPY, TRASH, QUARANTINE):
        path = data_dir / name
        if path.is_symlink() or (name != FOLDER and path.exists() and not path.is_dir()):
            path.unlink()
    if (data_dir / TRASH).exists():
        shutil.rmtree(data_dir / TRASH)
    if (data_dir / COPY).exists():
        if (data_dir / FOLDER / CURRENT).exists():
            shutil.rmtree(data_dir / COPY)
        else:
            shutil.rmtree(data_dir / FOLDER, ignore_errors=True)
            _move(data_dir, COPY, FOLDER)
    if (data_dir / QUARANTINE).exists():
        _strip(data_dir / QUARANTINE)


def _move(data_dir: Path, name: str, new_name: str) -> None:
    with suppress(FileNotFoundError):
        (data_dir / name).rename(data_dir / new_name)
    fsync_folder(data_dir)


def _strip(folder: Path) -> None:
    files = [file for file in folder.iterdir() if file.is_file() and not file.is_symlink()]
    for file in files:
        if file.suffix in (".sst", ".log", ".blob"):
            file.unlink()
    if sum(file.stat().st_size for file in files if file.exists()) > QUARANTINE_BYTES:
        shutil.rmtree(folder)


def _open(data_dir: Path) -> Database | str:
    """Open it; why not, if it is corrupt."""
    give_up = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            return Database(data_dir / FOLDER)
        except Exception as error:
            if is_corruption(error):
                return str(error)
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
            raise OpenError(*in_use(folder.parent))
        time.sleep(LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)


def _try_lock(folder: Path) -> int | None:
    """A descriptor that holds the lock; None if it is in use or was just renamed."""
    folder.mkdir(exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder / LOCK, flags, 0o600)
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
