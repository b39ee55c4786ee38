"""network: set how long idle connections stay open."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.schema import IdleTime
from sidecar.config.section import Section
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import set_to
from sidecar.optimizer.situation import Situation


class SetKeepalive:
    """Close connections that have been idle for a given time."""

    name: ClassVar[str] = "set_keepalive"
    rule_type: ClassVar[str] = "network"

    class Options(Section):
        to: IdleTime = 15.0
        """The idle time; the same at every level."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        return set_to(situation, "network.keepalive_seconds", options.to)
