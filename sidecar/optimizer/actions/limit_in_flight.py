"""network: limit the requests in progress."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.knobs import InFlight
from sidecar.config.section import Section
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import set_to
from sidecar.optimizer.situation import Situation


class LimitInFlight:
    """Shed the requests beyond a limit derived from latency, or remove the limit."""

    name: ClassVar[str] = "limit_in_flight"
    rule_type: ClassVar[str] = "network"

    class Options(Section):
        to: InFlight
        """`adaptive` (503 with Retry-After, or TRYAGAIN, beyond the limit) or `unlimited`."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        return set_to(situation, "network.in_flight", options.to)
