"""How much a signal differs between two windows by itself.

An experiment compares a window before a change with one after it. What such a comparison shows
when nothing is changed is noise, and it is measured on pairs of windows of the same lengths and
with the same gap in which nothing was changed. No model of the signal is needed: whether
it is white, wanders, or comes in bursts, its own past says what must be exceeded.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

QUANTILE = 0.975
LEAST_PAIRS = 40
"""The fewest of which one may lie beyond the quantile."""
MOST_PAIRS = 480
"""Four hours of windows of a minute; older ones tell of another load."""
PAIRS_A_WINDOW = 2
"""How many pairs begin in the time of one window: they overlap, and still add something."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a difference must exceed.

    `difference` bounds |after - before|. `residual` bounds the distance of after from what before
    lets expect (`intercept + slope * before`): a rule that fires on a bad value sees the value
    return by itself, and that is not its doing.
    """

    difference: float
    residual: float
    slope: float
    intercept: float

    def exceeded(self, before: float, after: float) -> bool:
        """Whether the change from before to after is more than noise."""
        residual = after - (self.intercept + self.slope * before)
        difference = after - before
        return (
            abs(difference) > self.difference
            and abs(residual) > self.residual
            and residual * difference > 0
        )


class Pairs:
    """Pairs of untouched windows, the newest MOST_PAIRS."""

    def __init__(self) -> None:
        self._pairs: deque[tuple[float, float, float]] = deque(maxlen=MOST_PAIRS)
        self._threshold: Threshold | None = None
        self.added_at = -math.inf
        """When the newest of them came to its end."""

    def __len__(self) -> int:
        return len(self._pairs)

    def add(self, before: float, after: float, now: float) -> None:
        self._pairs.append((now, before, after))
        self._threshold = None
        self.added_at = now

    def forget(self, before: float) -> None:
        """Those that came to their end earlier: they tell of another load."""
        while self._pairs and self._pairs[0][0] < before:
            self._pairs.popleft()
            self._threshold = None

    def threshold(self) -> Threshold:
        """What these pairs bound. O(n log n) after an `add`. Raises ValueError without pairs."""
        if self._threshold is None:
            self._threshold = _threshold([(before, after) for _, before, after in self._pairs])
        return self._threshold


class Worst:
    """The worst that a guard's checks showed in untouched stretches, the newest MOST_PAIRS."""

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=MOST_PAIRS)
        self.added_at = -math.inf
        """When the newest of them came to its end."""

    def __len__(self) -> int:
        return len(self._losses)

    def add(self, loss: float, now: float) -> None:
        self._losses.append(loss)
        self.added_at = now

    @property
    def loss(self) -> float:
        """How much worse the signal became by itself, in its unit."""
        return max(self._losses, default=0.0)


def _threshold(pairs: list[tuple[float, float]]) -> Threshold:
    if not pairs:
        raise ValueError("there are no pairs")
    slope, intercept = _regression(pairs)
    return Threshold(
        difference=_quantile([abs(after - before) for before, after in pairs]),
        residual=_quantile([abs(after - intercept - slope * before) for before, after in pairs]),
        slope=slope,
        intercept=intercept,
    )


def _regression(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """Slope and intercept of after on before, by least squares; after = before without a spread."""
    mean_before = math.fsum(before for before, _ in pairs) / len(pairs)
    mean_after = math.fsum(after for _, after in pairs) / len(pairs)
    spread = math.fsum((before - mean_before) ** 2 for before, _ in pairs)
    if spread <= 0:
        return 1.0, 0.0
    joint = math.fsum((before - mean_before) * (after - mean_after) for before, after in pairs)
    slope = joint / spread
    return slope, mean_after - slope * mean_before


def _quantile(values: list[float]) -> float:
    """The least of them that so many of all don't exceed."""
    values.sort()
    return values[math.ceil(QUANTILE * len(values)) - 1]
