"""Functions that a condition may apply to a signal and a span of time: `mean(cpu.pressure, "5m")`.

Each takes the history, a signal's name and seconds back from the last reading; None where too
little is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sidecar.signals.history import History


@dataclass(frozen=True, slots=True)
class Function:
    """A function over a window of a signal."""

    name: str
    meaning: str
    compute: Callable[[History, str, float], float | None]


def _mean(history: History, signal: str, seconds: float) -> float | None:
    return history.over(signal, history.last_at - seconds, history.last_at)


FUNCTIONS = (
    Function("mean", "the signal over the window", _mean),
    Function(
        "p95",
        "the value that it stayed below in 95 of 100 seconds of the window",
        lambda history, signal, seconds: history.quantile(signal, 0.95, seconds),
    ),
    Function(
        "rate",
        "its growth in a second, between the two halves of the window",
        History.slope,
    ),
)
