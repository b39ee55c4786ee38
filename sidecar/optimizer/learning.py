"""What a signal usually is, learned: quantiles that forget.

A histogram with logarithmic buckets gives any quantile to a relative accuracy (Masson, Rim, Lee,
"DDSketch", VLDB 2019). Values count less the older they are: instead of making old weights smaller,
new ones are made larger (Cormode et al., "Forward Decay", ICDE 2009).
"""

from __future__ import annotations

import math

import msgspec

ACCURACY = 0.01
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_LOG_GAMMA = math.log(_GAMMA)
_SMALLEST, _LARGEST = 1e-9, 1e15
"""Nearer to zero is zero; further away is as far as it gets. So there are 5,600 buckets at most."""
_REBASE_AT = 1e100
LEAST_WEIGHT = 100.0
"""How many observations, decayed, before what was learned is believed."""


class Learned(msgspec.Struct):
    """A decaying histogram. Times are wall clock seconds: it outlives processes."""

    buckets: dict[int, float] = msgspec.field(default_factory=dict)
    """Weight by bucket: 0 is zero, n is the n-th bucket above it, -n its mirror image."""
    half_life_seconds: float = math.inf
    landmark: float = 0.0
    """The time at which an observation weighs 1."""
    latest: float = 0.0
    """When the last one was added."""

    def add(self, value: float, at: float, half_life_seconds: float) -> None:
        """Count a value. Where the clock was set back, what there is counts as if it came then."""
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
        """How many observations it stands for at that time."""
        age = max(0.0, at - self.latest) / self.half_life_seconds
        return math.fsum(self.buckets.values()) / self._latest_weight * math.exp2(-age)

    def quantile(self, share: float) -> float | None:
        """The value below which that share of the weight lies. O(buckets)."""
        total = math.fsum(self.buckets.values())
        below = 0.0
        for bucket in sorted(self.buckets):
            below += self.buckets[bucket]
            if below >= share * total:
                return _value_of(bucket)
        return None

    @property
    def _latest_weight(self) -> float:
        """What the last observation weighs."""
        return math.exp2(min((self.latest - self.landmark) / self.half_life_seconds, 1000.0))

    def _rebase(self, landmark: float) -> None:
        """Let the last observation weigh 1 and the others as much less as they do; what weighs
        next to nothing goes.
        """
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
    """The middle of the bucket, by which every value in it is off by ACCURACY at most."""
    if bucket == 0:
        return 0.0
    size = _SMALLEST * _GAMMA ** (abs(bucket) - 1) * 2 / (1 + _GAMMA)
    return size if bucket > 0 else -size
