"""Expiry of entries: the only place that compares an expiry with the clock.

An entry is fresh until it expires; stale entries are not served.
"""

from __future__ import annotations


def is_expired(expires_at: float, now: float) -> bool:
    """Whether an entry has expired, which it does at `expires_at`; both in wall clock seconds."""
    return expires_at <= now
