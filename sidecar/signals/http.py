"""Signals of how fast the data API answers."""

from __future__ import annotations

from sidecar.signals.requests import REQUESTS
from sidecar.signals.signal import Quantile, Signal

SIGNALS = (
    Signal(
        "http.get_p50_seconds",
        "seconds",
        "Half of the GETs were answered within it.",
        Quantile("http.get", 0.5),
        REQUESTS,
        better="lower",
    ),
    Signal(
        "http.get_p99_seconds",
        "seconds",
        "99 of 100 GETs were answered within it.",
        Quantile("http.get", 0.99),
        REQUESTS,
        better="lower",
    ),
    Signal(
        "http.put_p50_seconds",
        "seconds",
        "Half of the PUTs were answered within it.",
        Quantile("http.put", 0.5),
        REQUESTS,
        better="lower",
    ),
    Signal(
        "http.put_p99_seconds",
        "seconds",
        "99 of 100 PUTs were answered within it.",
        Quantile("http.put", 0.99),
        REQUESTS,
        better="lower",
    ),
)
