"""gc: collect garbage now."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.section import Section
from sidecar.model.change import OneShot
from sidecar.optimizer.situation import Situation


class Collect:
    """Collect all generations, at a time that the rule chooses instead of under load."""

    name: ClassVar[str] = "collect"
    rule_type: ClassVar[str] = "gc"

    class Options(Section):
        pass

    def propose(self, situation: Situation, options: Options) -> OneShot:
        return OneShot("collect")
