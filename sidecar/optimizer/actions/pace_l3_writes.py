"""io: write to L3 more slowly."""

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
    """Limit the bytes a second that L3 takes, counted from what comes now where that is less.

    Without a limit there is nothing else to count from, and one above what comes limits nothing.
    """

    name: ClassVar[str] = "pace_l3_writes"
    rule_type: ClassVar[str] = "io"

    class Options(Section):
        by: Percent = 0.25
        """The share of the rate that is taken from it."""
        at_least: Size = MIB
        """Bytes a second: no slower than that."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        tier = view(situation, "l3")
        if isinstance(tier, Declined):
            return tier
        limit = situation.effective.tuning.l3_write_bytes_per_second
        measured = situation.signal(RATE)
        rate = limit if measured is None else min(limit, measured)
        if math.isinf(rate):
            return Declined(f"{RATE} is unavailable, and there is no limit yet to start from.")
        slower = math.ceil(lowered(rate, min(options.by, situation.step), options.at_least))
        if slower >= rate:
            floor = format_size(options.at_least)
            return Declined(f"Writes to L3 are at their floor of {floor} a second, or slower.")
        return Turn("l3.write_bytes_per_second", float(slower))
