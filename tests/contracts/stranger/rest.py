"""moon: slow down background work."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.schema import Percent
from sidecar.config.section import Section
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import set_to
from sidecar.optimizer.situation import Situation


class Rest:
    """Set the pace of background work while the moon is visible."""

    name: ClassVar[str] = "rest"
    rule_type: ClassVar[str] = "moon"

    class Options(Section):
        to: Percent = 0.5
        """The pace, as a share of the usual."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        if situation.signal("moon.light") is None:
            return Declined("The moon is not seen.")
        return set_to(situation, "background.pace", options.to)
