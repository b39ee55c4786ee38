"""The effect of a measure on the numbers in its own condition.

If memory is 86 % used, and 82 % after L2 shrinks, the condition is false because of the measure,
and would be true again as soon as the measure is undone. So a measure releases a turn only if its
condition would be false without the turn too.

The effect of a turn on each number is the difference between its value at the time of the turn and
its value once no window in the condition reaches back to that time. The difference includes changes
in load. So its weight decays while the condition is false: a burst that ended just when the measure
was applied must not keep it in force forever.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.optimizer.conditions import Condition

MARGIN = 1.5
"""The multiple of the effect by which the condition must be clear: with just the effect, noise
would make it true again.
"""
HALF_LIFE_SECONDS = 7200.0
"""The time in which the weight of the effect halves."""

Values = Mapping[str, float | None]
"""The values of a condition's operands, by their text."""


@dataclass(slots=True)
class Relief:
    """The effect of one turn. `before` has the values of the condition at the time of the turn."""

    condition: Condition
    before: Values
    settled_at: float
    _after: Values | None = field(default=None, init=False)

    def see(self, values: Values, now: float) -> None:
        """Record the values of the condition, once they show the whole effect."""
        if self._after is None and now >= self.settled_at + self.condition.reach_seconds:
            self._after = values

    def needed(self, values: Values, clear_seconds: float) -> bool:
        """Whether the condition, false for `clear_seconds`, would be true without the turn. True
        until the effect is known.
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
