"""cache: raise the lifetime of entries."""

from __future__ import annotations

import math
from typing import ClassVar

from sidecar.config.quantities import LONGEST_SECONDS, format_percent
from sidecar.config.schema import Ceiling, Percent
from sidecar.config.section import Section
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import raised
from sidecar.optimizer.situation import Situation


class StretchTtl:
    """Raise the lifetime of entries that are put without one."""

    name: ClassVar[str] = "stretch_ttl"
    rule_type: ClassVar[str] = "cache"

    class Options(Section):
        by: Percent = 0.25
        """The share by which the lifetime rises."""
        at_most: Ceiling = 4.0
        """The ceiling, as a share of the configured `default_ttl`."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        ttl = situation.effective.cache.default_ttl_seconds
        if math.isinf(ttl):
            return Declined("default_ttl is never, so no entry expires.")
        most = situation.configured.cache.default_ttl_seconds * options.at_most
        longer = raised(ttl, min(options.by, situation.step), min(most, LONGEST_SECONDS))
        if longer <= ttl:
            ceiling = format_percent(options.at_most)
            return Declined(f"default_ttl is at its ceiling of {ceiling} of the configured value.")
        return Turn("default_ttl", longer)
