"""io: limit the rate of writes to L3."""

from __future__ import annotations

import math
from typing import ClassVar

from sidecar.config.quantities import format_size
from sidecar.config.schema import Percent, Size
from sidecar.config.section import Section
from sidecar.config.values import MIB
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import lowered
from sidecar.optimizer.actions.view import view
from sidecar.optimizer.situation import Situation

RATE = "network.received_bytes_per_second"


class PaceL3Writes:
    """Lower the limit of the bytes per second that L3 takes.

    The new limit is a share of the current limit or of the current rate of received bytes,
    whichever is lower: a limit above that rate has no effect, and at first there is no limit.
    """

    name: ClassVar[str] = "pace_l3_writes"
    rule_type: ClassVar[str] = "io"

    class Options(Section):
        by: Percent = 0.25
        """The share by which the rate falls."""
        at_least: Size = MIB
        """The floor, in bytes per second."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        tier = view(situation, "l3")
        if isinstance(tier, Declined):
            return tier
        limit = situation.effective.tuning.l3_write_bytes_per_second
        measured = situation.signal(RATE)
        rate = limit if measured is None else min(limit, measured)
        if math.isinf(rate):
            return Declined(f"{RATE} is unavailable, and there is no limit yet.")
        slower = math.ceil(lowered(rate, min(options.by, situation.step), options.at_least))
        if slower >= rate:
            floor = format_size(options.at_least)
            return Declined(f"Writes to L3 are at or below their floor of {floor} per second.")
        return Turn("l3.write_bytes_per_second", float(slower))
