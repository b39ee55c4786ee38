"""The warmers in force: when each runs, what it is doing, and what its last run did.

A warmer has one run at a time, and a few warmers run at the same time; the others wait. Runs are
tasks. Whoever starts one does not wait for it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from sidecar.config.values import WarmerConfig
from sidecar.model.clock import Clock
from sidecar.store.store import Store
from sidecar.warmers.figures import ENTRY_RESULTS, RESULTS, Cause, Figures, State
from sidecar.warmers.running import RunFailedError, Runner

MOST_AT_ONCE = 2
"""Each run holds a piece of its source and a mebibyte of marks."""
CANCEL_SECONDS = 2.0
"""How long to wait for a run that was cancelled: a volume that hangs keeps it until it answers."""
LONGEST_WAIT_SECONDS = 60.0
"""The wall clock may be set while a schedule waits, so it is looked at again."""

log = structlog.get_logger("sidecar.warmers")


class UnknownWarmerError(Exception):
    """No warmer in force has this name."""


class AlreadyRunningError(Exception):
    """The warmer has a run that has not ended."""


class NotRunningError(Exception):
    """The warmer has no run to cancel."""


@dataclass(slots=True, eq=False)
class Standing:
    """A warmer in force."""

    config: WarmerConfig
    run: Figures | None = None
    """The one that has not ended."""
    is_waiting: bool = False
    task: asyncio.Task[None] | None = None
    last: Figures | None = None
    next_at: float | None = None
    """When its schedule is due, in seconds since 1970, with its jitter."""
    has_begun: bool = False
    """Whether it has been started, or need not be, because it has come into force."""
    runs: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(RESULTS, 0)))
    entries: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(ENTRY_RESULTS, 0)))
    """Of the runs that have ended."""

    @property
    def state(self) -> State:
        if self.run is None:
            return "idle"
        return "waiting" if self.is_waiting else "running"

    def entry_counts(self) -> dict[str, int]:
        """Entries by result, with those of a run in progress."""
        counts = Counter(self.entries)
        if self.run is not None:
            counts.update(_counts(self.run))
        return dict(counts)


class Warmers:
    """Must be used in a running event loop, and be closed."""

    def __init__(
        self,
        runner: Runner,
        store: Store,
        clock: Clock = time.time,
        rng: random.Random | None = None,
    ) -> None:
        """`rng` gives the jitter, which differs between pods."""
        self._runner = runner
        self._store = store
        self._clock = clock
        self._random = rng or random.Random()  # noqa: S311  (no secret depends on it)
        self._standings: dict[str, Standing] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[Standing]:
        """The warmers in the order of the document."""
        return iter(self._standings.values())

    def configure(self, configs: Iterable[WarmerConfig]) -> None:
        """Put these warmers in force. The run of one that is gone is cancelled; a changed one is
        used from its next run on.
        """
        before, self._standings = self._standings, {}
        for config in configs:
            standing = before.pop(config.name, None) or Standing(config)
            if standing.config.schedule != config.schedule:
                standing.next_at = None
            standing.config = config
            self._standings[config.name] = standing
        for gone in before.values():
            if gone.task is not None:
                gone.task.cancel()
        self._changed.set()

    async def follow(self) -> None:
        """Start runs as planned, until cancelled: none before L3 was opened or given up."""
        await self._store.opened()
        while True:
            self._changed.clear()
            now = self._clock()
            for standing in self:
                self._start_if_due(standing, now)
            dues = [each.next_at for each in self if each.next_at is not None]
            seconds = min(dues, default=now + LONGEST_WAIT_SECONDS) - now
            with suppress(TimeoutError):
                async with asyncio.timeout(min(LONGEST_WAIT_SECONDS, max(0.0, seconds))):
                    await self._changed.wait()

    async def close(self) -> None:
        """Cancel all runs, and wait until they have ended, or are stuck."""
        self.configure(())
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=CANCEL_SECONDS)

    def start(self, name: str, cause: Cause) -> Standing:
        """Begin a run. Raises UnknownWarmerError, AlreadyRunningError."""
        standing = self._find(name)
        if standing.run is not None:
            raise AlreadyRunningError
        figures = standing.run = Figures(cause, self._clock())
        task = standing.task = asyncio.create_task(self._run(standing, figures))
        self._leaving.add(task)
        # Not in the task itself, which never begins if it is cancelled at once.
        task.add_done_callback(lambda _: self._conclude(standing, figures))
        task.add_done_callback(self._leaving.discard)
        return standing

    async def cancel(self, name: str) -> None:
        """End its run, and wait until it has ended, or is stuck. Raises UnknownWarmerError,
        NotRunningError.
        """
        standing = self._find(name)
        if standing.task is None:
            raise NotRunningError
        standing.task.cancel()
        await asyncio.wait([standing.task], timeout=CANCEL_SECONDS)

    def _find(self, name: str) -> Standing:
        standing = self._standings.get(name)
        if standing is None:
            raise UnknownWarmerError
        return standing

    def _start_if_due(self, standing: Standing, now: float) -> None:
        config = standing.config
        if not standing.has_begun:
            standing.has_begun = True
            if config.on_start and standing.run is None:
                self.start(config.name, "start")
        if config.schedule is None:
            return
        if standing.next_at is not None and standing.next_at <= now:
            standing.next_at = None
            if standing.run is None:
                self.start(config.name, "schedule")
            else:
                log.warning("Warmer is due while it runs", warmer=config.name)
        if standing.next_at is None and (due := config.schedule.next_after(now)) is not None:
            standing.next_at = due + self._random.uniform(0.0, config.jitter_seconds)

    async def _run(self, standing: Standing, figures: Figures) -> None:
        """Run a warmer as it is configured now, and note how it has ended."""
        config = standing.config
        try:
            standing.is_waiting = True
            async with self._places:
                standing.is_waiting = False
                async with asyncio.timeout(config.deadline_seconds):
                    await self._runner.run(config, figures)
            figures.result = "succeeded"
        except TimeoutError:
            figures.result = "timed_out"
            figures.reason = f"It did not end within its deadline of {config.deadline_seconds:g} s."
        except RunFailedError as error:
            figures.result, figures.reason = "failed", str(error)
        except Exception:
            log.exception("A warmer failed", warmer=config.name)
            figures.result, figures.reason = "failed", "An internal error; see the log."

    def _conclude(self, standing: Standing, figures: Figures) -> None:
        if figures.result is None:
            figures.result, figures.reason = "cancelled", "It was cancelled."
        figures.ended_at = self._clock()
        standing.run, standing.task, standing.is_waiting = None, None, False
        standing.last = figures
        standing.runs[figures.result] += 1
        standing.entries.update(_counts(figures))
        tell = log.info if figures.result in {"succeeded", "cancelled"} else log.warning
        tell(
            "Warmer has run",
            warmer=standing.config.name,
            result=figures.result,
            cause=figures.cause,
            loaded=figures.loaded,
            skipped=figures.skipped,
            failed=figures.failed,
            seconds=round(figures.ended_at - figures.began_at, 3),
            **({} if figures.reason is None else {"reason": figures.reason}),
        )


def _counts(figures: Figures) -> Counter[str]:
    return Counter(loaded=figures.loaded, skipped=figures.skipped, failed=figures.failed)
