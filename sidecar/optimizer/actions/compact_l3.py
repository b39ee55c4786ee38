"""io: compact L3."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.section import Section
from sidecar.model.change import Declined, OneShot
from sidecar.optimizer.actions.view import view
from sidecar.optimizer.situation import Situation


class CompactL3:
    """Rewrite L3's tables without dead entries: a lot of work once, then less for every read."""

    name: ClassVar[str] = "compact_l3"
    rule_type: ClassVar[str] = "io"

    class Options(Section):
        pass

    def propose(self, situation: Situation, options: Options) -> OneShot | Declined:
        tier = view(situation, "l3")
        return tier if isinstance(tier, Declined) else OneShot("compact_l3")
