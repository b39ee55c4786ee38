"""Adds all readings to the history, once a second."""

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
    """Fills a history: each sample calls every reader once."""

    def __init__(self, history: History, sources: Sources) -> None:
        self._history = history
        self._sources = sources
        readers = dict.fromkeys(signal.reader for signal in history.signals.values())
        self._blocking = [reader for reader in readers if reader.blocks]
        self._others = [reader for reader in readers if not reader.blocks]
        self._failing: set[Reader] = set()

    async def samples(self) -> AsyncIterator[float]:
        """Take a sample every second, and yield its time."""
        while True:
            self._sources.loop_lag_seconds = await _worst_lag()
            yield await self.sample()

    async def sample(self) -> float:
        """Take one sample of all readings; return its time on the monotonic clock."""
        found = await asyncio.to_thread(self._read, self._blocking)
        now = self._sources.now = time.monotonic()
        self._history.push(now, found | self._read(self._others))
        return now

    def _read(self, readers: Iterable[Reader]) -> dict[str, float]:
        """Call all readers. If one fails, only its own signals have no value."""
        found: dict[str, float] = {}
        for reader in readers:
            try:
                found.update(reader.read(self._sources))
            except Exception:  # noqa: BLE001  (reported: a plugin's error must not stop the loop)
                self._report(reader)
            else:
                self._failing.discard(reader)
        return found

    def _report(self, reader: Reader) -> None:
        """Log the failure of a reader once, until it works again."""
        if reader not in self._failing:
            self._failing.add(reader)
            signals = self._history.signals.values()
            without = [signal.name for signal in signals if signal.reader is reader]
            log.exception("Signals cannot be read", signals=without)


async def _worst_lag() -> float:
    """Wait for a second, and return the largest lag of the event loop in it."""
    loop = asyncio.get_running_loop()
    worst = 0.0
    for _ in range(round(INTERVAL_SECONDS / LAG_SECONDS)):
        due = loop.time() + LAG_SECONDS
        await asyncio.sleep(LAG_SECONDS)
        worst = max(worst, loop.time() - due)
    return worst
