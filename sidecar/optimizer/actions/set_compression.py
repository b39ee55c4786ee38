"""cpu: set the compression of L2."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.section import Section
from sidecar.config.values import Compression
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import set_to
from sidecar.optimizer.actions.view import view
from sidecar.optimizer.situation import Situation


class SetCompression:
    """Store new values in L2 compressed or as they are: a trade of processor time for memory."""

    name: ClassVar[str] = "set_compression"
    rule_type: ClassVar[str] = "cpu"

    class Options(Section):
        to: Compression
        """`none` or `zstd`."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        tier = view(situation, "l2")
        if isinstance(tier, Declined):
            return tier
        return set_to(situation, "tiers.l2.compression", options.to)
