"""gc: exclude the existing objects from garbage collection."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.knobs import MOST_FREEZES
from sidecar.config.section import Section
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.situation import Situation


class Freeze:
    """Move all objects to the permanent generation; undone by unfreezing all of them."""

    name: ClassVar[str] = "freeze"
    rule_type: ClassVar[str] = "gc"

    class Options(Section):
        pass

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        frozen = situation.effective.tuning.gc_frozen
        if frozen >= situation.configured.tuning.gc_frozen + MOST_FREEZES:
            return Declined(f"Objects have already been frozen {MOST_FREEZES} times.")
        return Turn("gc.frozen", frozen + 1)
