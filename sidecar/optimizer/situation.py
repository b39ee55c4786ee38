"""The input of an action when it proposes a change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sidecar.config.knobs import Effective, Knobs, turned
from sidecar.config.values import LEVELS, Level
from sidecar.model.change import Turn, Value
from sidecar.model.snapshot import Snapshot

STEPS: dict[Level, float] = dict(zip(LEVELS, (0.05, 0.10, 0.25, 0.50), strict=True))
"""How far one change may turn a knob, as a share of its current value."""
COOLDOWN_SCALES: dict[Level, float] = dict(zip(LEVELS, (2.0, 1.0, 0.5, 0.25), strict=True))


@dataclass(frozen=True, slots=True)
class Situation:
    """The state of the sidecar at one moment, and the size of a step.

    `signal` returns the current value of a signal; None if it is unavailable. `step` is the largest
    share by which a change may turn a knob.
    """

    cache: Snapshot
    effective: Effective
    configured: Effective
    signal: Callable[[str], float | None]
    step: float
    knobs: Knobs

    def knob(self, name: str) -> Value:
        """The value in force of a knob."""
        return self.knobs[name].read(self.effective)

    def turned(self, turn: Turn) -> Effective:
        """The values that a turn would put in force. Raises KeyError if the knob does not exist."""
        return turned(self.knobs, self.effective, turn)
