"""Serializes operations on the same key: conditional writes, the requests of a replay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sidecar.model.errors import NotReadyError


class Turns:
    """One lock for each key that is held or waited for."""

    def __init__(self) -> None:
        self._locks: dict[bytes, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, key: bytes, seconds: float | None = None) -> AsyncIterator[None]:
        """Raises NotReadyError if the turn has not come after so many seconds."""
        lock, users = self._locks.get(key, (None, 0))
        if lock is None:
            lock = asyncio.Lock()
        self._locks[key] = lock, users + 1
        try:
            try:
                async with asyncio.timeout(seconds):
                    await lock.acquire()
            except TimeoutError:
                raise NotReadyError from None
            try:
                yield
            finally:
                lock.release()
        finally:
            _, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = lock, users - 1
