"""gc: collect garbage less often."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.quantities import format_percent
from sidecar.config.schema import Ceiling, Percent
from sidecar.config.section import Section
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import raised_count
from sidecar.optimizer.situation import Situation


class SetGcThresholds:
    """Raise the number of allocations before a collection: fewer pauses, but more garbage."""

    name: ClassVar[str] = "set_gc_thresholds"
    rule_type: ClassVar[str] = "gc"

    class Options(Section):
        by: Percent = 0.50
        """The share by which the threshold rises."""
        at_most: Ceiling = 10.0
        """The ceiling, as a share of the usual threshold."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        threshold = situation.effective.tuning.gc_threshold
        most = int(situation.configured.tuning.gc_threshold * options.at_most)
        higher = raised_count(threshold, min(options.by, situation.step), most)
        if higher <= threshold:
            ceiling = format_percent(options.at_most)
            return Declined(f"gc.threshold is at its ceiling of {ceiling} of its usual value.")
        return Turn("gc.threshold", higher)
