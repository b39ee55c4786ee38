"""Signals of the data API's connections and requests."""

from __future__ import annotations

from sidecar.signals.cache import CACHE
from sidecar.signals.requests import REQUESTS
from sidecar.signals.signal import Gauge, Rate, Signal

SIGNALS = (
    Signal(
        "network.connections",
        "count",
        "Open connections of the data API.",
        Gauge("network.connections"),
        REQUESTS,
    ),
    Signal(
        "network.in_flight",
        "count",
        "Requests to the data API in progress, the most of each second.",
        Gauge("network.in_flight"),
        REQUESTS,
    ),
    Signal(
        "network.requests_per_second",
        "per second",
        "Requests to the data API.",
        Rate("network.requests"),
        REQUESTS,
    ),
    Signal(
        "network.shed_per_second",
        "per second",
        "Requests that the data API shed because of overload.",
        Rate("network.shed"),
        REQUESTS,
        better="lower",
    ),
    Signal(
        "network.received_bytes_per_second",
        "per second",
        "Bytes of values that the data API took.",
        Rate("network.received_bytes"),
        CACHE,
    ),
    Signal(
        "network.sent_bytes_per_second",
        "per second",
        "Bytes of values that the data API gave.",
        Rate("network.sent_bytes"),
        CACHE,
    ),
)
