"""gc: collect garbage now."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.section import Section
from sidecar.model.change import OneShot
from sidecar.optimizer.situation import Situation


class Collect:
    """Collect all generations, at a moment that the rule chooses and not in the middle of load."""

    name: ClassVar[str] = "collect"
    rule_type: ClassVar[str] = "gc"

    class Options(Section):
        pass

    def propose(self, situation: Situation, options: Options) -> OneShot:
        return OneShot("collect")
