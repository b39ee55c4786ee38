"""Measures noise continuously, in quiet windows: those in which nothing was changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sidecar.config.values import GuardConfig
from sidecar.optimizer.judging import check_times, loss
from sidecar.optimizer.noise import MOST_PAIRS, PAIRS_A_WINDOW, Pairs, Worst
from sidecar.signals.history import History

DEFAULT_SETTLE_SECONDS = 10.0
"""The settling time of a measure, which has no `expect` that sets it."""
MOST_AGE_WINDOWS = MOST_PAIRS / PAIRS_A_WINDOW
"""The age at which a pair is dropped, in windows with their gaps."""
MOST_A_TICK = 8
"""Windows measured per tick, which spreads the many that are due at once after a change."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The comparison of an experiment; experiments with the same comparison share its noise."""

    signal: str
    window_seconds: float
    settle_seconds: float


@dataclass(frozen=True, slots=True)
class Guarded:
    """The comparison of a guard."""

    guard: GuardConfig
    settle_seconds: float

    @property
    def window_seconds(self) -> float:
        return self.guard.window_seconds


class NoiseMonitor:
    """The noise of all comparisons of experiments and guards."""

    def __init__(self) -> None:
        self._pairs: dict[Compared, Pairs] = {}
        self._worst: dict[Guarded, Worst] = {}
        self._due: dict[Compared | Guarded, float] = {}

    def watch(self, compared: Iterable[Compared], guarded: Iterable[Guarded]) -> None:
        """Measure these comparisons from now on, and keep earlier measurements of them."""
        self._pairs = {key: self._pairs.get(key, Pairs()) for key in compared}
        self._worst = {key: self._worst.get(key, Worst()) for key in guarded}
        never = float("-inf")
        keys: list[Compared | Guarded] = [*self._pairs, *self._worst]
        self._due = {key: self._due.get(key, never) for key in keys}

    def pairs(self, key: Compared) -> Pairs:
        return self._pairs[key]

    def worst(self, key: Guarded) -> Worst:
        return self._worst[key]

    def observe(self, history: History, now: float, quiet_since: float) -> None:
        """Measure windows that end now and began after `quiet_since`, the most overdue first."""
        since = max(quiet_since, history.first_at)
        due = [
            key
            for key, at in self._due.items()
            if at <= now and now - 2 * key.window_seconds - key.settle_seconds >= since
        ]
        for key in sorted(due, key=self._due.__getitem__)[:MOST_A_TICK]:
            self._due[key] = now + key.window_seconds / PAIRS_A_WINDOW
            if isinstance(key, Compared):
                self._take_pair(key, history, now)
            else:
                self._take_worst(key, history, now)

    def _take_pair(self, key: Compared, history: History, now: float) -> None:
        window = key.window_seconds
        changed_at = now - window - key.settle_seconds
        before = history.over(key.signal, changed_at - window, changed_at)
        after = history.over(key.signal, now - window, now)
        self._pairs[key].forget(now - MOST_AGE_WINDOWS * (window + key.settle_seconds))
        if before is not None and after is not None:
            self._pairs[key].add(before, after, now)

    def _take_worst(self, key: Guarded, history: History, now: float) -> None:
        """Measure the largest loss that the guard would have found after a change."""
        guard = key.guard
        settled_at = now - key.window_seconds
        changed_at = settled_at - key.settle_seconds
        before = history.over(guard.signal, changed_at - key.window_seconds, changed_at)
        seen = [history.over(guard.signal, settled_at, at) for at in check_times(guard, settled_at)]
        afters = [after for after in seen if after is not None]
        if before is not None and afters:
            worst = max(loss(guard.better, before, after) for after in afters)
            self._worst[key].add(worst, now)
