"""How far a number may be turned in one go, and whether a knob stands there already.

Counts go by one at least: a share of a small one would be nothing, for ever.
"""

from __future__ import annotations

from sidecar.model.change import Declined, Turn, Value
from sidecar.optimizer.situation import Situation


def lowered(stands: float, share: float, floor: float) -> float:
    """What a number is turned down to: not below the floor, wherever it stands."""
    return max(floor, stands * (1 - share))


def raised(stands: float, share: float, ceiling: float) -> float:
    """What a number is turned up to: not above the ceiling, wherever it stands."""
    return min(ceiling, stands * (1 + share))


def lowered_count(stands: int, share: float, floor: int) -> int:
    """The same, of what is counted."""
    return max(floor, stands - max(1, int(stands * share)))


def raised_count(stands: int, share: float, ceiling: int) -> int:
    """The same, of what is counted."""
    return min(ceiling, stands + max(1, int(stands * share)))


def set_to(situation: Situation, knob: str, to: Value) -> Turn | Declined:
    """The knob as the rule states it, at every level: that is the operator's own figure."""
    if situation.knob(knob) == to:
        return Declined(f"{knob} is {to} already.")
    return Turn(knob, to)
