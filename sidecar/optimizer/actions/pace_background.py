"""cpu: do less in the background."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.quantities import format_percent
from sidecar.config.schema import Percent
from sidecar.config.section import Section
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import lowered
from sidecar.optimizer.situation import Situation


class PaceBackground:
    """Slow sweeps, warming and snapshots down."""

    name: ClassVar[str] = "pace_background"
    rule_type: ClassVar[str] = "cpu"

    class Options(Section):
        by: Percent = 0.50
        """The share of their speed that is taken from them."""
        at_least: Percent = 0.10
        """Of their usual speed: no slower than that."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        pace = situation.effective.tuning.background_pace
        least = situation.configured.tuning.background_pace * options.at_least
        slower = lowered(pace, min(options.by, situation.step), least)
        if slower >= pace:
            floor = format_percent(options.at_least)
            return Declined(f"The background is at its floor of {floor} of its usual speed.")
        return Turn("background.pace", slower)
