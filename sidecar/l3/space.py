"""How large the folder is, and what must be done about it.

RocksDB deletes a row by writing another, so the folder can grow while what is live does not. The
promise is: below twice the live bytes plus 64 MiB, and below the data limit, always; an overfull
volume evicts the whole pod. So a rewrite of the tables starts well before, and where even that is
not fast enough, writes wait for it. Deletions too: they lower what is promised.
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
"""How far below the limit writes begin to wait: for memtables that are still to be written out, and
for compactions, which write what they read a second time before they delete it. Those between the
upper levels grow with a quarter of what is live, up to a bound."""
REWRITE_SLACK_BYTES = 20 * MIB
WORTH_BYTES = 4 * MIB
"""A rewrite is worth its while when this much has become dead since the last one began."""

DELETING_SECONDS = 1.0
"""How long after a rewrite RocksDB may still be deleting the files that it replaced."""


def most_live_bytes(data_limit: int) -> int:
    """What L3 may hold so that its folder fits the limit; 0 where no L3 fits."""
    return max(0, (data_limit - SLACK_BYTES) // 2)


def folder_bytes(folder: Path) -> int:
    """What the folder takes on its volume; files that vanish meanwhile count nothing."""
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
    """Watches one database's folder and rewrites it, in a thread, when too much of it is dead or
    somebody asks for it."""

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
        """Measure the folder, start a rewrite if it is due, and judge whether writes must wait.

        `dropped_bytes` is all that has become dead so far. Raises what a rewrite has met.
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
        deleting = time.monotonic() - self._ended_at < DELETING_SECONDS
        self.slowed = full and (self._rewrite is not None or worth or deleting)

    def rewrite(self, dropped_bytes: int) -> bool:
        """Begin to rewrite the tables; False where that is being done."""
        if self._rewrite is not None:
            return False
        self._rewritten = dropped_bytes
        self._rewrite = threading.Thread(target=self._compact, name="rewrite")
        self._rewrite.start()
        return True

    def limit(self, live_bytes: int) -> int:
        """What the folder must stay below."""
        promised = 2 * live_bytes + SLACK_BYTES
        return promised if self._data_limit is None else min(promised, self._data_limit)

    def room(self, live_bytes: int) -> int:
        """How many live bytes may die before the folder is measured again."""
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
