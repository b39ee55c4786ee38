"""Calculates the new value of a knob within its bounds.

A count changes by at least one, since a share of a small count would be rounded to 0.
"""

from __future__ import annotations

from sidecar.model.change import Declined, Turn, Value
from sidecar.optimizer.situation import Situation


def lowered(stands: float, share: float, floor: float) -> float:
    """The number lowered by a share; the floor if the result would be below it."""
    return max(floor, stands * (1 - share))


def raised(stands: float, share: float, ceiling: float) -> float:
    """The number raised by a share; the ceiling if the result would be above it."""
    return min(ceiling, stands * (1 + share))


def lowered_count(stands: int, share: float, floor: int) -> int:
    """Like `lowered`, for a count."""
    return max(floor, stands - max(1, int(stands * share)))


def raised_count(stands: int, share: float, ceiling: int) -> int:
    """Like `raised`, for a count."""
    return min(ceiling, stands + max(1, int(stands * share)))


def set_to(situation: Situation, knob: str, to: Value) -> Turn | Declined:
    """Turn the knob to the value in the rule, at every level: the operator chose that value."""
    if situation.knob(knob) == to:
        return Declined(f"{knob} is already {to}.")
    return Turn(knob, to)
