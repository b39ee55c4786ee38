"""How much may be sent now, where so much a second is the most: a token bucket."""

from __future__ import annotations

import math

BURST_SECONDS = 0.25
"""What may be saved up: a few looks of whoever sends, so that none of the rate is lost."""


class Allowance:
    """Bytes that may be sent. The debt of something large is paid off before anything follows it.

    The clock may jump: set forward, it gives one burst; set back, it gives nothing for that time.
    """

    def __init__(self, bytes_per_second: float, now: float) -> None:
        self.bytes_per_second = bytes_per_second
        self._left = bytes_per_second * BURST_SECONDS
        self._at = now

    def left(self, now: float) -> float:
        """How many bytes may be sent; none while it is not above 0."""
        earned = max(0.0, now - self._at) * self.bytes_per_second
        self._at = now
        self._left = min(self.bytes_per_second * BURST_SECONDS, self._left + earned)
        return self._left

    def spend(self, size: int) -> None:
        self._left -= size


def pending_bytes(bytes_per_second: float, timeout_seconds: float, most: int) -> int:
    """How much may wait: what is sent in half of the time after which nobody waits any more.

    So whoever comes when that is full waits for its turn, and is told that nothing was changed if
    it does not come; more would be accepted and then not be answered in time.
    """
    if math.isinf(bytes_per_second):
        return most
    return max(1, min(most, int(bytes_per_second * timeout_seconds / 2)))
