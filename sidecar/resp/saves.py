"""SAVE and BGSAVE: that L3 has all that was written before."""

from __future__ import annotations

import asyncio

from sidecar.model.clock import Clock
from sidecar.model.errors import WriteError
from sidecar.resp.errors import RespError
from sidecar.store.store import Store
from sidecar.tiers.disk import DOWN

NOT_THERE = "ERR L3 is not up, so nothing can be saved; /readyz of the ops port says why"


class Saves:
    """When L3 last had everything, and the wait for that which is in progress."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self.last_at = int(clock())
        """In seconds of the wall clock."""
        self.has_succeeded = True
        """Whether the latest BGSAVE has, if it has ended."""

    @property
    def in_progress(self) -> bool:
        return self._task is not None and not self._task.done()

    async def save(self) -> None:
        """Wait until L3 has everything. Raises RespError, NotReadyError."""
        if self._store.l3_state is DOWN:
            raise RespError(NOT_THERE)
        await self._store.applied()
        self.last_at = int(self._clock())

    def begin(self) -> None:
        """The same in the background. Raises RespError."""
        if self.in_progress:
            raise RespError("ERR Background save already in progress")
        self._task = asyncio.get_running_loop().create_task(self._save())

    async def _save(self) -> None:
        try:
            await self.save()
            self.has_succeeded = True
        except (RespError, WriteError):
            self.has_succeeded = False
