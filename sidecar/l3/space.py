"""Keeps the folder within its size limit.

RocksDB deletes a row by writing another, so the folder can grow while the live bytes do not. The
guarantee is: always below twice the live bytes plus 64 MiB, and below the data limit, since an
overfull volume evicts the whole pod. So a rewrite of the tables starts well before that, and if it
is not fast enough, writes wait for it. Deletes wait too, since they lower the limit.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from sidecar.l3.database import MIB, Database

SLACK_BYTES = 64 * MIB
MARGIN_BYTES = 32 * MIB
MOST_MARGIN_BYTES = 96 * MIB
"""How far below the limit writes begin to wait: room for memtables that have yet to be flushed, and
for compactions, which write their output before they delete their input. Those between the upper
levels grow with a quarter of the live bytes, up to a bound."""
REWRITE_SLACK_BYTES = 20 * MIB
WORTH_BYTES = 4 * MIB
"""A rewrite starts only after this many bytes have become dead since the last one began."""

DELETING_SECONDS = 1.0
"""How long after a rewrite RocksDB may still be deleting the files that it replaced."""


def most_live_bytes(data_limit: int) -> int:
    """The most live bytes with which the folder fits the limit; 0 if none fit."""
    return max(0, (data_limit - SLACK_BYTES) // 2)


def folder_bytes(folder: Path) -> int:
    """The folder's size on its volume, without files that are deleted meanwhile."""
    total = 0
    with os.scandir(folder) as files:
        for file in files:
            try:
                stat = file.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            total += max(stat.st_size, stat.st_blocks * 512)
    return total


class Space:
    """Watches one database's folder and rewrites its tables, in a thread, when too much of it is
    dead or on request."""

    def __init__(self, folder: Path, database: Database, data_limit: int | None) -> None:
        self._folder = folder
        self._database = database
        self._data_limit = data_limit
        self._rewrite: threading.Thread | None = None
        self._rewritten = -WORTH_BYTES  # bytes dropped by the time the last rewrite began
        self._ended_at = 0.0
        self._error: Exception | None = None
        self.used_bytes = 0
        self.slowed = False

    def look(self, live_bytes: int, dropped_bytes: int) -> None:
        """Measure the folder, start a rewrite if due, and decide whether writes have to wait.

        `dropped_bytes` are all bytes that became dead so far. Raises the exception of a rewrite.
        """
        if self._rewrite is not None and not self._rewrite.is_alive():
            self._rewrite = None
            self._ended_at = time.monotonic()
            if self._error is not None:
                raise self._error
        self.used_bytes = folder_bytes(self._folder)
        soft = live_bytes * 3 // 2 + REWRITE_SLACK_BYTES
        worth = dropped_bytes - self._rewritten >= WORTH_BYTES
        if self.used_bytes > soft and worth:
            self.rewrite(dropped_bytes)
        full = self.used_bytes > self.limit(live_bytes) - _margin(live_bytes)
        self.slowed = full and (self._rewrite is not None or worth or self._is_deleting)

    @property
    def _is_deleting(self) -> bool:
        return time.monotonic() - self._ended_at < DELETING_SECONDS

    def makes_room(self, dropped_bytes: int) -> bool:
        """Whether a rewrite is making room; one is started if it would."""
        if dropped_bytes - self._rewritten >= WORTH_BYTES:
            self.rewrite(dropped_bytes)
        return self._rewrite is not None or self._is_deleting

    def rewrite(self, dropped_bytes: int) -> bool:
        """Start to rewrite the tables; False if a rewrite is in progress."""
        if self._rewrite is not None:
            return False
        self._rewritten = dropped_bytes
        self._rewrite = threading.Thread(target=self._compact, name="rewrite")
        self._rewrite.start()
        return True

    def limit(self, live_bytes: int) -> int:
        """The size that the folder has to stay below."""
        promised = 2 * live_bytes + SLACK_BYTES
        return promised if self._data_limit is None else min(promised, self._data_limit)

    def room(self, live_bytes: int) -> int:
        """The live bytes that may become dead before the folder is measured again."""
        spare = 2 * live_bytes + SLACK_BYTES - _margin(live_bytes) - self.used_bytes
        return max(0, spare) // 2

    def close(self) -> None:
        if self._rewrite is not None:
            self._database.cancel_compaction()
            self._rewrite.join()

    def _compact(self) -> None:
        try:
            self._database.compact()
        except Exception as error:  # noqa: BLE001  (RocksDB raises nothing narrower; raised by `look`)
            self._error = error


def _margin(live_bytes: int) -> int:
    return min(MARGIN_BYTES + live_bytes // 4, MOST_MARGIN_BYTES)
