"""Announces what happens to L3 and what the optimizer did to people around the pod.

Their state is polled, as a metric's collector does: neither depends on announcements.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from sidecar.model.announcement import Announcement
from sidecar.optimizer.engine import Engine
from sidecar.tiers.process import Trouble

INTERVAL_SECONDS = 1.0
UNDONE = frozenset({"regressed", "failed"})
"""The outcomes that are announced. A change without effect is routine and is not announced."""


class Announcer:
    """Announces what is new since the last look. `l3_trouble` returns why L3 was last down."""

    def __init__(
        self,
        l3_trouble: Callable[[], Trouble | None],
        engine: Engine,
        announce: Callable[[Announcement], None],
    ) -> None:
        self._l3_trouble = l3_trouble
        self._engine = engine
        self._announce = announce
        self._trouble: Trouble | None = None
        self._outcomes = 0

    async def run(self) -> None:
        """Look every INTERVAL_SECONDS, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(INTERVAL_SECONDS)

    def look(self) -> None:
        """Announce what has happened since the last look."""
        for announcement in (*self._of_l3(), *self._of_optimizer()):
            self._announce(announcement)

    def _of_l3(self) -> Iterator[Announcement]:
        trouble = self._l3_trouble()
        wanted = self._engine.effective.cache.tiers.l3.enabled
        if wanted and trouble is not None and trouble is not self._trouble:
            note = f"Running without L3 ({trouble.reason}): {trouble.message}."
            yield Announcement("L3Unavailable", "Degrade", note)
        self._trouble = trouble

    def _of_optimizer(self) -> Iterator[Announcement]:
        ended = sum(self._engine.tally.values())
        new, self._outcomes = ended - self._outcomes, ended
        for outcome in self._engine.outcomes[-new:] if new else ():
            if outcome.outcome in UNDONE:
                what = f"{outcome.action} of rule {outcome.rule}"
                note = f"{what} was undone ({outcome.outcome}). {outcome.reason}"
                yield Announcement("TrialRolledBack", "Tune", note)
