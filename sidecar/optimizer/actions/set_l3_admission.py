"""io: which puts L3 takes."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.knobs import Admission
from sidecar.config.section import Section
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import set_to
from sidecar.optimizer.actions.view import view
from sidecar.optimizer.situation import Situation


class SetL3Admission:
    """Have L3 take every put of a key, or none before its second: most are never asked for."""

    name: ClassVar[str] = "set_l3_admission"
    rule_type: ClassVar[str] = "io"

    class Options(Section):
        to: Admission
        """`every`, or `second`: what was put once is then in memory alone."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        tier = view(situation, "l3")
        if isinstance(tier, Declined):
            return tier
        return set_to(situation, "l3.admission", options.to)
