"""A signal that no file of the sidecar reads: the phase of the moon, by the sidecar's clock."""

from __future__ import annotations

from sidecar.signals.signal import Gauge, Reader, Signal
from sidecar.signals.sources import Sources


def _read(_sources: Sources) -> dict[str, float]:
    return {"moon.light": 0.75}


SIGNAL = Signal(
    "moon.light",
    "ratio",
    "How full the moon is.",
    Gauge("moon.light"),
    Reader(_read),
    better="higher",
)
