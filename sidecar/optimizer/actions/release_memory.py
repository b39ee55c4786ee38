"""memory: return free memory to the system."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.section import Section
from sidecar.model.change import OneShot
from sidecar.optimizer.situation import Situation


class ReleaseMemory:
    """Collect garbage, and have the allocator return free pages to the system."""

    name: ClassVar[str] = "release_memory"
    rule_type: ClassVar[str] = "memory"

    class Options(Section):
        pass

    def propose(self, situation: Situation, options: Options) -> OneShot:
        return OneShot("release_memory")
