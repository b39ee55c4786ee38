"""What a measure has done for the numbers in its own condition.

Memory that was 86 % used is 82 % used once L2 is smaller: the condition is false because of the
measure, and would be true again as soon as that was taken back. So a measure releases a turn only
when its condition would be false without it too.

How far a turn has taken each number is the difference between the time when it was made and the
time when no window in the condition reaches back to that. The load has a part in it, for better and
for worse. So it is believed less the longer the condition has been false: a burst that was over
just when the measure was taken must not keep it in force for ever.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.optimizer.conditions import Condition

MARGIN = 1.5
"""How many times the effect must be to spare: where it is just that, noise brings the condition
back.
"""
HALF_LIFE_SECONDS = 7200.0
"""After so long only half of the effect is believed."""

Values = Mapping[str, float | None]
"""Of a condition's operands, by their text."""


@dataclass(slots=True)
class Relief:
    """Of one turn. `before` is what its rule's condition saw when it was made."""

    condition: Condition
    before: Values
    settled_at: float
    _after: Values | None = field(default=None, init=False)

    def see(self, values: Values, now: float) -> None:
        """Take in what the condition sees, once that shows the whole effect."""
        if self._after is None and now >= self.settled_at + self.condition.reach_seconds:
            self._after = values

    def needed(self, values: Values, clear_seconds: float) -> bool:
        """Whether the condition, which has been false for so long, would hold without the turn.
        Until the effect is known it is taken to.
        """
        if self._after is None:
            return True
        share = MARGIN * math.exp2(-clear_seconds / HALF_LIFE_SECONDS)
        without = []
        for operand in self.condition.operands:
            name = operand.text
            value, before, after = values[name], self.before[name], self._after[name]
            if value is None or before is None or after is None:
                return True
            ours = operand.source in ("signal", "window")  # no turn moves a baseline or a target
            without.append(value + share * (before - after) if ours else value)
        return self.condition.evaluate(without)
