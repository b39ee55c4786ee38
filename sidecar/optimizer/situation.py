"""What a rule's action may know when it is asked what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sidecar.config.knobs import Effective, Knobs, turned
from sidecar.config.values import LEVELS, Level
from sidecar.model.change import Turn, Value
from sidecar.model.snapshot import Snapshot

STEPS: dict[Level, float] = dict(zip(LEVELS, (0.05, 0.10, 0.25, 0.50), strict=True))
"""How much one change may turn a knob, as a share of what it stands at."""
COOLDOWN_SCALES: dict[Level, float] = dict(zip(LEVELS, (2.0, 1.0, 0.5, 0.25), strict=True))


@dataclass(frozen=True, slots=True)
class Situation:
    """One moment: the cache, what is in force and what was configured, and how far to go.

    `signal` gives a signal's value now; None where it is unavailable. `step` is the largest share
    by which a change may turn a knob.
    """

    cache: Snapshot
    effective: Effective
    configured: Effective
    signal: Callable[[str], float | None]
    step: float
    knobs: Knobs

    def knob(self, name: str) -> Value:
        """What a knob stands at."""
        return self.knobs[name].read(self.effective)

    def turned(self, turn: Turn) -> Effective:
        """What would be in force after a turn. Raises KeyError where there is no such knob."""
        return turned(self.knobs, self.effective, turn)
