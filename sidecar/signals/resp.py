"""Signals of how fast the Redis protocol answers, and of its requests."""

from __future__ import annotations

from sidecar.signals.requests import REQUESTS
from sidecar.signals.signal import Quantile, Rate, Signal

SIGNALS = (
    Signal(
        "resp.get_p50_seconds",
        "seconds",
        "Half of the GETs of the Redis protocol were answered within it.",
        Quantile("resp.get", 0.5),
        REQUESTS,
        better="lower",
    ),
    Signal(
        "resp.get_p99_seconds",
        "seconds",
        "99 of 100 GETs of the Redis protocol were answered within it.",
        Quantile("resp.get", 0.99),
        REQUESTS,
        better="lower",
    ),
    Signal(
        "resp.set_p50_seconds",
        "seconds",
        "Half of the SETs of the Redis protocol were answered within it.",
        Quantile("resp.set", 0.5),
        REQUESTS,
        better="lower",
    ),
    Signal(
        "resp.set_p99_seconds",
        "seconds",
        "99 of 100 SETs of the Redis protocol were answered within it.",
        Quantile("resp.set", 0.99),
        REQUESTS,
        better="lower",
    ),
    Signal(
        "resp.requests_per_second",
        "per second",
        "Commands of the Redis protocol.",
        Rate("resp.requests"),
        REQUESTS,
    ),
)
