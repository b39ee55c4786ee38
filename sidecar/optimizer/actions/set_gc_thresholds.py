"""gc: collect less often."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.quantities import format_percent
from sidecar.config.schema import Ceiling, Percent
from sidecar.config.section import Section
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import raised_count
from sidecar.optimizer.situation import Situation


class SetGcThresholds:
    """Raise the allocations before a collection: fewer pauses, and more garbage between them."""

    name: ClassVar[str] = "set_gc_thresholds"
    rule_type: ClassVar[str] = "gc"

    class Options(Section):
        by: Percent = 0.50
        """The share that is added."""
        at_most: Ceiling = 10.0
        """Of the usual threshold: no higher than that."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        threshold = situation.effective.tuning.gc_threshold
        most = int(situation.configured.tuning.gc_threshold * options.at_most)
        higher = raised_count(threshold, min(options.by, situation.step), most)
        if higher <= threshold:
            ceiling = format_percent(options.at_most)
            return Declined(f"gc.threshold is at its ceiling of {ceiling} of the usual.")
        return Turn("gc.threshold", higher)
