"""gc: take what is there out of the collector's sight."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.section import Section
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.situation import Situation

MOST = 8
"""Freezes above what is configured. Cycles that die frozen are garbage until all is thawed, so it
can't go on for ever."""


class Freeze:
    """Move every object to where collections don't look; undone by thawing all of them."""

    name: ClassVar[str] = "freeze"
    rule_type: ClassVar[str] = "gc"

    class Options(Section):
        pass

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        frozen = situation.effective.tuning.gc_frozen
        if frozen >= situation.configured.tuning.gc_frozen + MOST:
            return Declined(f"Objects were frozen {MOST} times already.")
        return Turn("gc.frozen", frozen + 1)
