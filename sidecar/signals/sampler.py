"""Takes all readings, once a second, into the history."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable

import structlog

from sidecar.signals.history import History
from sidecar.signals.signal import Reader
from sidecar.signals.sources import Sources

INTERVAL_SECONDS = 1.0
LAG_SECONDS = 0.1
"""How often the lag of the event loop is measured."""

log = structlog.get_logger("sidecar.signals")


class Sampler:
    """Fills a history, with each reader of its signals once a sample."""

    def __init__(self, history: History, sources: Sources) -> None:
        self._history = history
        self._sources = sources
        readers = dict.fromkeys(signal.reader for signal in history.signals.values())
        self._blocking = [reader for reader in readers if reader.blocks]
        self._others = [reader for reader in readers if not reader.blocks]
        self._failing: set[Reader] = set()

    async def samples(self) -> AsyncIterator[float]:
        """When each sample was taken, a second apart, for ever."""
        while True:
            self._sources.loop_lag_seconds = await _worst_lag()
            yield await self.sample()

    async def sample(self) -> float:
        """Take one reading of everything; when it was taken, by the monotonic clock."""
        found = await asyncio.to_thread(self._read, self._blocking)
        now = self._sources.now = time.monotonic()
        self._history.push(now, found | self._read(self._others))
        return now

    def _read(self, readers: Iterable[Reader]) -> dict[str, float]:
        """A reader that fails leaves its signals without a value, and the others as they are."""
        found: dict[str, float] = {}
        for reader in readers:
            try:
                found.update(reader.read(self._sources))
            except Exception:  # noqa: BLE001  (a plugin's error is its own: shown, and survived)
                self._report(reader)
            else:
                self._failing.discard(reader)
        return found

    def _report(self, reader: Reader) -> None:
        """Once, until it works again."""
        if reader not in self._failing:
            self._failing.add(reader)
            signals = self._history.signals.values()
            without = [signal.name for signal in signals if signal.reader is reader]
            log.exception("Signals cannot be read", signals=without)


async def _worst_lag() -> float:
    """Wait for a second; by how much the event loop was late at worst."""
    loop = asyncio.get_running_loop()
    worst = 0.0
    for _ in range(round(INTERVAL_SECONDS / LAG_SECONDS)):
        due = loop.time() + LAG_SECONDS
        await asyncio.sleep(LAG_SECONDS)
        worst = max(worst, loop.time() - due)
    return worst
