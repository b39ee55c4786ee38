"""Signals of the connections and requests of applications, over both protocols."""

from __future__ import annotations

from sidecar.signals.cache import CACHE
from sidecar.signals.requests import REQUESTS
from sidecar.signals.signal import Gauge, Quantile, Rate, Signal

SIGNALS = (
    Signal(
        "network.connections",
        "count",
        "Open connections of applications.",
        Gauge("network.connections"),
        REQUESTS,
    ),
    Signal(
        "network.in_flight",
        "count",
        "Requests in progress, the most of each second.",
        Gauge("network.in_flight"),
        REQUESTS,
    ),
    Signal(
        "network.requests_per_second",
        "per second",
        "Requests of applications.",
        Rate("network.requests"),
        REQUESTS,
    ),
    Signal(
        "network.shed_per_second",
        "per second",
        "Requests that were shed because of overload.",
        Rate("network.shed"),
        REQUESTS,
        better="lower",
    ),
    Signal(
        "network.get_p99_seconds",
        "seconds",
        "99 of 100 GETs were answered within it, over either protocol.",
        Quantile("network.get", 0.99),
        REQUESTS,
        better="lower",
    ),
    Signal(
        "network.received_bytes_per_second",
        "per second",
        "Bytes of values that applications sent.",
        Rate("network.received_bytes"),
        CACHE,
    ),
    Signal(
        "network.sent_bytes_per_second",
        "per second",
        "Bytes of values that applications were given.",
        Rate("network.sent_bytes"),
        CACHE,
    ),
)
