"""io: set which puts L3 takes."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.knobs import Admission
from sidecar.config.section import Section
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import set_to
from sidecar.optimizer.actions.view import view
from sidecar.optimizer.situation import Situation


class SetL3Admission:
    """Make L3 take every put of a key, or only from the second on: most keys are never read."""

    name: ClassVar[str] = "set_l3_admission"
    rule_type: ClassVar[str] = "io"

    class Options(Section):
        to: Admission
        """`every`, or `second` (keys that were put once are only in memory)."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        tier = view(situation, "l3")
        if isinstance(tier, Declined):
            return tier
        return set_to(situation, "l3.admission", options.to)
