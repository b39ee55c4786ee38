"""cache: set how soon an entry moves to L1."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.schema import Count
from sidecar.config.section import Section
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import set_to
from sidecar.optimizer.actions.view import view
from sidecar.optimizer.situation import Situation


class SetPromoteAfter:
    """Set the hits in L2 before an entry moves to L1; too small a number to change in steps."""

    name: ClassVar[str] = "set_promote_after"
    rule_type: ClassVar[str] = "cache"

    class Options(Section):
        to: Count = 1
        """The number of hits; the same at every level."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        for name in ("l1", "l2"):
            tier = view(situation, name)
            if isinstance(tier, Declined):
                return tier
        return set_to(situation, "promote_after", options.to)
