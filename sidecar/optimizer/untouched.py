"""Measures noise all the time: on stretches in which nobody has touched anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sidecar.config.values import GuardConfig
from sidecar.optimizer.judging import check_times, deterioration
from sidecar.optimizer.noise import PAIRS_A_WINDOW, Pairs, Worst
from sidecar.signals.history import History

DEFAULT_SETTLE_SECONDS = 10.0
"""Of a measure, which has no `expect` that says it."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What an experiment compares; experiments that compare the same share its noise."""

    signal: str
    window_seconds: float
    settle_seconds: float


@dataclass(frozen=True, slots=True)
class Guarded:
    """What a guard looks at."""

    guard: GuardConfig
    settle_seconds: float


@dataclass(slots=True)
class _Due:
    """When the next stretch is taken."""

    at: float = field(default=float("-inf"))

    def take(self, now: float, step_seconds: float) -> bool:
        if now < self.at:
            return False
        self.at = now + step_seconds
        return True


class Untouched:
    """The noise of all that is compared, and of all that is guarded."""

    def __init__(self) -> None:
        self._pairs: dict[Compared, tuple[Pairs, _Due]] = {}
        self._worst: dict[Guarded, tuple[Worst, _Due]] = {}

    def watch(self, compared: Iterable[Compared], guarded: Iterable[Guarded]) -> None:
        """What to measure from now on; what was measured of it already is kept."""
        self._pairs = {key: self._pairs.get(key) or (Pairs(), _Due()) for key in compared}
        self._worst = {key: self._worst.get(key) or (Worst(), _Due()) for key in guarded}

    def pairs(self, key: Compared) -> Pairs:
        return self._pairs[key][0]

    def worst(self, key: Guarded) -> Worst:
        return self._worst[key][0]

    def forget(self) -> None:
        """Measure anew."""
        compared, guarded = list(self._pairs), list(self._worst)
        self._pairs.clear()
        self._worst.clear()
        self.watch(compared, guarded)

    def observe(self, history: History, now: float, quiet_since: float) -> None:
        """Take in the stretches that end now, if they began after `quiet_since`."""
        for compared, (pairs, due) in self._pairs.items():
            window, settle = compared.window_seconds, compared.settle_seconds
            changed_at = now - window - settle
            if changed_at - window < quiet_since or changed_at - window < history.first_at:
                continue
            if due.take(now, window / PAIRS_A_WINDOW):
                before = history.over(compared.signal, changed_at - window, changed_at)
                after = history.over(compared.signal, now - window, now)
                if before is not None and after is not None:
                    pairs.add(before, after)
        for guarded, (worst, due) in self._worst.items():
            window, settle = guarded.guard.window_seconds, guarded.settle_seconds
            changed_at = now - window - settle
            if changed_at - window < quiet_since or changed_at - window < history.first_at:
                continue
            if due.take(now, window / PAIRS_A_WINDOW):
                share = _worst_of(guarded, history, changed_at)
                if share is not None:
                    worst.add(share)


def _worst_of(guarded: Guarded, history: History, changed_at: float) -> float | None:
    """The worst that a guard would have seen, had there been a change at that time."""
    settled_at = changed_at + guarded.settle_seconds
    seen = [
        deterioration(guarded.guard, history, changed_at, settled_at, at)
        for at in check_times(guarded.guard, settled_at)
    ]
    known = [share for share in seen if share is not None]
    return max(known) if known else None
