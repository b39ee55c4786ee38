"""The noise of a signal: how much it differs between two windows without a change.

An experiment compares a window before a change with a window after it. The noise is the result of
the same comparison without a change, measured on pairs of windows with the same lengths and gap.
This requires no model of the signal: the threshold comes from its own past, whether the signal is
white noise, drifts, or has bursts.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

QUANTILE = 0.975
LEAST_PAIRS = 40
"""The smallest number at which one pair may exceed the quantile."""
MOST_PAIRS = 480
"""Four hours of one-minute windows; older pairs reflect another load."""
PAIRS_A_WINDOW = 2
"""The pairs that start per window length: overlapping pairs still add information."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """The noise that a difference must exceed.

    `difference` bounds |after - before|. `residual` bounds the distance of `after` from its
    prediction, `intercept + slope * before`: a rule that fires on a bad value would see the value
    recover without a change too (regression to the mean).
    """

    difference: float
    residual: float
    slope: float
    intercept: float

    def exceeded(self, before: float, after: float) -> bool:
        """Whether the difference between before and after exceeds the noise."""
        residual = after - (self.intercept + self.slope * before)
        difference = after - before
        return (
            abs(difference) > self.difference
            and abs(residual) > self.residual
            and residual * difference > 0
        )


class Pairs:
    """The newest MOST_PAIRS pairs of quiet windows, in which nothing was changed."""

    def __init__(self) -> None:
        self._pairs: deque[tuple[float, float, float]] = deque(maxlen=MOST_PAIRS)
        self._threshold: Threshold | None = None
        self.added_at = -math.inf
        """When the newest pair ended."""

    def __len__(self) -> int:
        return len(self._pairs)

    def add(self, before: float, after: float, now: float) -> None:
        self._pairs.append((now, before, after))
        self._threshold = None
        self.added_at = now

    def forget(self, before: float) -> None:
        """Drop pairs that ended before this time, since they reflect another load."""
        while self._pairs and self._pairs[0][0] < before:
            self._pairs.popleft()
            self._threshold = None

    def threshold(self) -> Threshold:
        """The noise in these pairs. O(n log n) after an `add`. Raises ValueError without pairs."""
        if self._threshold is None:
            self._threshold = _threshold([(before, after) for _, before, after in self._pairs])
        return self._threshold


class Worst:
    """The largest losses that a guard's checks found in quiet windows, the newest MOST_PAIRS."""

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=MOST_PAIRS)
        self.added_at = -math.inf
        """When the newest window ended."""

    def __len__(self) -> int:
        return len(self._losses)

    def add(self, loss: float, now: float) -> None:
        self._losses.append(loss)
        self.added_at = now

    @property
    def loss(self) -> float:
        """How much worse the signal became without a change, in its unit."""
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
    """Slope and intercept of after on before, by least squares; 1 and 0 if before is constant."""
    mean_before = math.fsum(before for before, _ in pairs) / len(pairs)
    mean_after = math.fsum(after for _, after in pairs) / len(pairs)
    spread = math.fsum((before - mean_before) ** 2 for before, _ in pairs)
    if spread <= 0:
        return 1.0, 0.0
    joint = math.fsum((before - mean_before) * (after - mean_after) for before, after in pairs)
    slope = joint / spread
    return slope, mean_after - slope * mean_before


def _quantile(values: list[float]) -> float:
    """The smallest value that the required share of all values does not exceed."""
    values.sort()
    return values[math.ceil(QUANTILE * len(values)) - 1]
