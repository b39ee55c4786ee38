"""The keys that are read most, and how often, in bounded memory.

Hits in memory are counted for L3 anyway, some hundred different keys of each half second (see
`Disk.touch`); those that were hit most among them are added here, so that a read costs nothing
more. Space-Saving (Metwally, Agrawal, El Abbadi 2005) keeps the counters of as many keys as there
is room for: a key that takes the place of another begins with its count, which is the most by which
it may be too high. Counts decay exponentially (forward decay: Cormode et al. 2009), so that they
are rates of the last minute or two.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from heapq import nlargest
from operator import itemgetter

from msgspec import Struct

from sidecar.model.clock import Clock

MOST_KEYS = 512
"""Keys with a counter: some 200 bytes each, and their own."""
AT_ONCE = 64
"""Keys that are added of each report."""
MOST_NOTED = 256
"""Keys that were read from L3 within half a second."""
HALF_LIFE_SECONDS = 30.0
_DECAY = math.log(2) / HALF_LIFE_SECONDS
_MOST_WEIGHT = 1e100


class HotKey(Struct, frozen=True, gc=False):
    """`per_second` is too high by `error_per_second` at the most."""

    key: bytes
    per_second: float
    error_per_second: float


class _Counter(Struct, gc=False):
    count: float
    error: float


class HotKeys:
    """Counters of the keys that are hit most. `clock` is monotonic."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counters: dict[bytes, _Counter] = {}
        self._floor = 0.0  # the count of the last key that was dropped
        self._noted: dict[bytes, int] = {}
        self._began_at = self._weighed_at = clock()

    def note(self, key: bytes) -> None:
        """Count a hit that no report will have."""
        noted = self._noted
        if key in noted:
            noted[key] += 1
        elif len(noted) < MOST_NOTED:
            noted[key] = 1

    def add(self, hits: Iterable[tuple[bytes, int]]) -> None:
        """Add a report: keys, and their hits since the last one."""
        weight = self._weight()
        counters = self._counters
        for key, count in nlargest(AT_ONCE, hits, itemgetter(1)):
            counter = counters.get(key)
            if counter is None:
                counter = counters[key] = _Counter(self._floor, self._floor)
            counter.count += count * weight
        if len(counters) > MOST_KEYS:
            self._drop_least()

    def add_noted(self) -> None:
        """Add what was noted since the last time."""
        if self._noted:
            noted, self._noted = self._noted, {}
            self.add(noted.items())

    def top(self, count: int) -> list[HotKey]:
        """The keys that are hit most, the first one most."""
        now = self._clock()
        # Of a steady rate, the sum of what has decayed is that rate by this many seconds.
        seconds = -math.expm1(-_DECAY * max(now - self._began_at, 1.0)) / _DECAY
        scale = 1 / (self._weight() * seconds)
        found = nlargest(count, self._counters.items(), lambda item: item[1].count)
        return [HotKey(key, each.count * scale, each.error * scale) for key, each in found]

    def _weight(self) -> float:
        """Of a hit now, relative to the first ones: instead of all counts falling, it grows."""
        weight = math.exp(min(_DECAY * (self._clock() - self._weighed_at), 700.0))
        if weight > _MOST_WEIGHT:
            for counter in self._counters.values():
                counter.count /= weight
                counter.error /= weight
            self._floor /= weight
            self._weighed_at = self._clock()
            return 1.0
        return weight

    def _drop_least(self) -> None:
        kept = nlargest(MOST_KEYS + 1, self._counters.items(), lambda item: item[1].count)
        _, least = kept.pop()
        self._floor = max(self._floor, least.count)
        self._counters = dict(kept)
