"""Uses of entries that wait to be recorded, and when the next batch of them is due.

A touch is a read and a write of RocksDB, so touches are limited to a share of the time. Where
entries are many, a touch costs more, and fewer are needed to order the entries by use.
"""

from __future__ import annotations

import math
from itertools import islice

MAX_TOUCHES = 4096
"""The most waiting touches; further ones are dropped, so that the order of use is sampled."""
TOUCHES_AT_ONCE = 64
TOUCH_SECONDS = 0.02
"""The least time between batches of touches, so that they do not delay reads."""
MAX_TOUCH_SECONDS = 2.0
"""The most time between them, even if a batch had to wait for a slow disk."""
TOUCH_SHARE = 1 / 40
"""The most of the time that is spent on touches."""


class Touching:
    """Receives every touch and every batch; time is a parameter."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, int] = {}
        self._due = 0.0

    def add(self, key: bytes, hits: int) -> None:
        """Record uses of an entry, or drop them if too many entries wait."""
        if key in self._waiting:
            self._waiting[key] += hits
        elif len(self._waiting) < MAX_TOUCHES:
            self._waiting[key] = hits

    def due(self) -> float:
        """When to record the next batch; infinity if nothing waits."""
        return self._due if self._waiting else math.inf

    def take(self) -> dict[bytes, int]:
        """The next batch: the hits of those entries that have waited the longest."""
        keys = list(islice(self._waiting, TOUCHES_AT_ONCE))
        return {key: self._waiting.pop(key) for key in keys}

    def touched(self, began_at: float, ended_at: float) -> None:
        """Record how long a batch took."""
        pause = max(TOUCH_SECONDS, (ended_at - began_at) / TOUCH_SHARE)
        self._due = began_at + min(pause, MAX_TOUCH_SECONDS)
