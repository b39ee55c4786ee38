"""Keeps the record on the volume of what L3 misses while it is away.

Writes are answered when they are recorded, several at a time. A volume that cannot be written holds
nobody up: then they are answered at once, and the whole record is tried again until it can be
written, or L3 is back and has all of it.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from sidecar.l3.folder import CURRENT
from sidecar.l3.record import LostRecordError, RecordFile, read_record
from sidecar.model.writes import Write
from sidecar.process.claim import Claim
from sidecar.tiers.disk import DOWN, UP, Disk

RETRY_SECONDS = 1.0

log = structlog.get_logger("sidecar.l3")


class Recorder:
    """Writes the record of one database, in `folder`, while this process has claimed it."""

    def __init__(self, disk: Disk[Any], folder: Path, claim: Claim) -> None:
        self._disk = disk
        self._folder = folder
        self._claim = claim
        self._file: RecordFile | None = None
        self._due = asyncio.Event()
        self._forbidden = False
        self.failure: str | None = None
        """Why the record cannot be written; None if it is, or if there is nothing to record."""
        disk.record_by(self._due.set)

    def begin(self, *, allowed: bool, anew: bool) -> None:
        """L3 is away. `allowed` is whether its folder may be written to; `anew`, whether L3 was not
        away before.
        """
        self._forbidden = not allowed
        if anew:
            self._close()
        self._due.set()

    def back(self) -> None:
        """L3 has been opened, and holds its lock: the record is cleared once L3 has all."""
        self._forbidden = False
        self._close()
        self._due.set()

    async def run(self) -> None:
        """Write what is due, until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            if not await self.write():
                await asyncio.sleep(RETRY_SECONDS)
                self._due.set()

    async def write(self) -> bool:
        """Bring the record up to date. False if that has to be tried again."""
        disk = self._disk
        count = disk.unrecorded
        if self._forbidden or not self._claim.held:
            self._tell("the folder is not this process's own")
            disk.recorded(count, recording=False)
            return disk.state is not DOWN
        try:
            if disk.state is DOWN:
                is_recorded = await self._record()
            elif disk.state is UP and not disk.handing_over:
                await asyncio.to_thread(self._clear)
                is_recorded = disk.recording
            else:
                return True
        except OSError as error:
            self._close()
            self._tell(error.strerror or str(error))
            disk.recorded(count, recording=False)
            return False
        self.failure = None
        disk.recorded(count, recording=is_recorded and disk.state is DOWN)
        return True

    async def _record(self) -> bool:
        """Write what is new, or all. Whether there is a database that can miss anything."""
        disk, missed = self._disk, self._disk.missed
        if (file := self._file) is not None:
            write = file.overflow if missed.overflowed else partial(file.append, missed.news())
            await asyncio.to_thread(write)
            return True
        if not await asyncio.to_thread((self._folder / CURRENT).exists):
            return False
        lost, earlier = await asyncio.to_thread(_left_behind, self._folder)
        if disk.state is not DOWN:
            return disk.recording  # L3 is back, and has applied it
        if lost:
            missed.overflow()
        for known in earlier:
            missed.add(known)
        file = self._file = await asyncio.to_thread(RecordFile, self._folder)
        write = file.overflow if missed.overflowed else partial(file.write, missed.items())
        await asyncio.to_thread(write)
        return True

    def _clear(self) -> None:
        file = RecordFile(self._folder)
        try:
            file.clear()
        finally:
            file.close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _tell(self, failure: str) -> None:
        if self._disk.state is DOWN and self.failure is None:
            log.warning("What L3 misses cannot be recorded on its volume", reason=failure)
        self.failure = failure if self._disk.state is DOWN else None


def _left_behind(folder: Path) -> tuple[bool, list[Write]]:
    """What an earlier process recorded, and L3 has not applied: whether it is lost, and what."""
    try:
        return False, read_record(folder)
    except LostRecordError:
        return True, []
