"""Functions that a condition can apply to a signal and a span of time: `mean(cpu.pressure, "5m")`.

Each takes the history, the name of a signal, and a span in seconds that ends at the last reading.
It returns None if there are too few readings.
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
    is_sorted: bool = False
    """Whether the history keeps the values of its window sorted, which takes time and memory."""


def _mean(history: History, signal: str, seconds: float) -> float | None:
    return history.over(signal, history.last_at - seconds, history.last_at)


FUNCTIONS = (
    Function("mean", "the signal over the window", _mean),
    Function(
        "p95",
        "the value that the signal did not exceed in 95% of the seconds of the window",
        lambda history, signal, seconds: history.quantile(signal, 0.95, seconds),
        is_sorted=True,
    ),
    Function(
        "rate",
        "its growth per second, between the two halves of the window",
        History.slope,
    ),
)
