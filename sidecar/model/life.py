"""Whether an entry is still alive: the one place that compares its expiry with the clock.

Nothing is served stale: an entry is fresh until it expires. A grace period would be decided here.
"""

from __future__ import annotations


def is_expired(expires_at: float, now: float) -> bool:
    """Whether the life of an entry is over; both in wall clock seconds. It ends at `expires_at`."""
    return expires_at <= now
