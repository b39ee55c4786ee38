"""Expiry of entries: the only place that compares an expiry with the clock.

An entry is fresh until it expires. Then it is gone, unless its terms allow to serve it stale.
"""

from __future__ import annotations

from sidecar.model.terms import Terms

CLOCK_SLACK_SECONDS = 1.0
"""How far an entry may be ahead of the clock, which is set by small steps all the time."""


def is_expired(expires_at: float, now: float) -> bool:
    """Whether an entry has expired, which it does at `expires_at`; both in wall clock seconds."""
    return expires_at <= now


def is_servable(gone_at: float, terms: Terms, now: float, *, on_error: bool) -> bool:
    """Whether a version with these terms, fresh or stale, may be served: after an error longer."""
    grace = terms.while_revalidate
    if on_error:
        grace = max(grace, terms.if_error)
    return now < gone_at - terms.grace + grace


def is_ahead(created_at: float, now: float) -> bool:
    """Whether an entry was put while the clock was ahead, so that its expiry means nothing."""
    return created_at > now + CLOCK_SLACK_SECONDS


def redated(times: complex, now: float) -> complex:
    """The times of such an entry: what is left of its life is all that it was given."""
    return complex(now, now + (times.imag - times.real))
