"""Learns the usual values of a signal: quantiles with exponential decay.

A histogram with logarithmic buckets gives any quantile with a relative accuracy (Masson, Rim, Lee,
"DDSketch", VLDB 2019). Older values weigh less: instead of decreasing old weights, new values get
larger weights (Cormode et al., "Forward Decay", ICDE 2009).
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from msgspec import Meta

ACCURACY = 0.01
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_LOG_GAMMA = math.log(_GAMMA)
_SMALLEST, _LARGEST = 1e-9, 1e15
"""Smaller values count as zero; larger ones as _LARGEST."""
MOST_BUCKETS = 5_600
_MOST_WEIGHT = 1e200
_REBASE_AT = 1e100
LEAST_WEIGHT = 100.0
"""The decayed number of observations required before a learned baseline is used."""


class Learned(msgspec.Struct):
    """A decaying histogram. Times are wall clock seconds, since it is kept across restarts."""

    buckets: Annotated[dict[int, float], Meta(max_length=MOST_BUCKETS)] = msgspec.field(
        default_factory=dict
    )
    """Weight by bucket: 0 is zero, n is the n-th bucket above it, -n its mirror image."""
    half_life_seconds: float = math.inf
    landmark: float = 0.0
    """The time at which an observation has weight 1."""
    latest: float = 0.0
    """The time of the last observation."""

    def add(self, value: float, at: float, half_life_seconds: float) -> None:
        """Add a value. If the clock was set back, earlier values count as if added at `at`."""
        if not self.buckets:
            self.landmark = at
        elif at < self.latest or half_life_seconds != self.half_life_seconds:
            self._rebase(min(at, self.latest))
        self.half_life_seconds = half_life_seconds
        self.latest = at
        bucket = _bucket_of(value)
        self.buckets[bucket] = self.buckets.get(bucket, 0.0) + self._latest_weight
        if self._latest_weight > _REBASE_AT:
            self._rebase(at)

    def weight(self, at: float) -> float:
        """The decayed number of observations at a time."""
        age = max(0.0, at - self.latest) / self.half_life_seconds
        return math.fsum(self.buckets.values()) / self._latest_weight * math.exp2(-age)

    def quantile(self, share: float) -> float | None:
        """The value below which this share of the weight lies. O(buckets)."""
        total = math.fsum(self.buckets.values())
        below = 0.0
        for bucket in sorted(self.buckets):
            below += self.buckets[bucket]
            if below >= share * total:
                return _value_of(bucket)
        return None

    @property
    def plausible(self) -> bool:
        """Whether `add` can have made it. From anything else, no number could be calculated."""
        times = (self.landmark, self.latest, self.latest - self.landmark)
        return (
            self.half_life_seconds > 0
            and all(map(math.isfinite, times))
            and self.landmark <= self.latest
            and all(
                abs(bucket) <= MOST_BUCKETS and 0 <= weight <= _MOST_WEIGHT
                for bucket, weight in self.buckets.items()
            )
        )

    @property
    def _latest_weight(self) -> float:
        """The weight of an observation at `latest`."""
        return math.exp2(min((self.latest - self.landmark) / self.half_life_seconds, 1000.0))

    def _rebase(self, landmark: float) -> None:
        """Scale all weights so that the last observation has weight 1; drop negligible weights."""
        unit = self._latest_weight
        scaled = {bucket: weight / unit for bucket, weight in self.buckets.items()}
        self.buckets = {bucket: weight for bucket, weight in scaled.items() if weight > 1e-9}
        self.landmark = landmark


def _bucket_of(value: float) -> int:
    size = abs(value)
    if size < _SMALLEST:
        return 0
    number = 1 + math.ceil(math.log(min(size, _LARGEST) / _SMALLEST) / _LOG_GAMMA)
    return number if value > 0 else -number


def _value_of(bucket: int) -> float:
    """The middle of a bucket, within a relative error of ACCURACY of every value in it."""
    if bucket == 0:
        return 0.0
    size = _SMALLEST * _GAMMA ** (abs(bucket) - 1) * 2 / (1 + _GAMMA)
    return size if bucket > 0 else -size
