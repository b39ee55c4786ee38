"""Times of expiry, as entries have them and as Redis states them."""

from __future__ import annotations

import math

NEVER = math.inf


def milliseconds_of(expires_at: float) -> int | None:
    """The time of expiry, in milliseconds; None for never."""
    return None if expires_at == NEVER else round(expires_at * 1000)
