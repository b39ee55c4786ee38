"""A token bucket: how much may be sent now under a limit per second."""

from __future__ import annotations

import math

BURST_SECONDS = 0.25
"""The largest burst: a few intervals of the sender, so that it can use the full rate."""


class Allowance:
    """Bytes that may be sent. After something large, sending resumes when the debt is paid off.

    The clock may jump: forward, it allows one burst; backward, it allows nothing for that time.
    """

    def __init__(self, bytes_per_second: float, now: float) -> None:
        self.bytes_per_second = bytes_per_second
        self._left = bytes_per_second * BURST_SECONDS
        self._at = now

    def left(self, now: float) -> float:
        """The bytes that may be sent; none unless above 0."""
        earned = max(0.0, now - self._at) * self.bytes_per_second
        self._at = now
        self._left = min(self.bytes_per_second * BURST_SECONDS, self._left + earned)
        return self._left

    def spend(self, size: int) -> None:
        self._left -= size


def pending_bytes(bytes_per_second: float, timeout_seconds: float, most: int) -> int:
    """The most bytes that may be queued: as many as are sent within half of the timeout.

    A write beyond that waits before it is issued, so that its timeout means that nothing was
    changed. With a longer queue, writes would be issued and then time out with an unknown outcome.
    """
    if math.isinf(bytes_per_second):
        return most
    return max(1, min(most, int(bytes_per_second * timeout_seconds / 2)))
