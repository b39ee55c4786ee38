"""cpu: slow down background work."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.quantities import format_percent
from sidecar.config.schema import Percent
from sidecar.config.section import Section
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import lowered
from sidecar.optimizer.situation import Situation


class PaceBackground:
    """Slow down sweeps, warming and snapshots."""

    name: ClassVar[str] = "pace_background"
    rule_type: ClassVar[str] = "cpu"

    class Options(Section):
        by: Percent = 0.50
        """The share by which the speed falls."""
        at_least: Percent = 0.10
        """The floor, as a share of the usual speed."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        pace = situation.effective.tuning.background_pace
        least = situation.configured.tuning.background_pace * options.at_least
        slower = lowered(pace, min(options.by, situation.step), least)
        if slower >= pace:
            floor = format_percent(options.at_least)
            return Declined(f"Background work is at its floor of {floor} of its usual speed.")
        return Turn("background.pace", slower)
