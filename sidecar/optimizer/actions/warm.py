"""cache: read the hottest keys into memory."""

from __future__ import annotations

from typing import ClassVar

from pydantic import model_validator

from sidecar.config.section import Section
from sidecar.config.wording import shown
from sidecar.model.change import Declined, OneShot
from sidecar.optimizer.actions.view import view
from sidecar.optimizer.situation import Situation


class Warm:
    """Read the hottest keys from L3 into the free room in L1 and L2; evicts nothing."""

    name: ClassVar[str] = "warm"
    rule_type: ClassVar[str] = "cache"

    class Options(Section):
        @model_validator(mode="before")
        @classmethod
        def _names_no_warmer(cls, stated: object) -> object:
            if isinstance(stated, dict) and "warmer" in stated:
                raise ValueError(
                    f"there is no warmer {shown(stated['warmer'])}, and none is needed: the action"
                    " reads the hottest keys from L3; remove the key warmer"
                )
            return stated

    def propose(self, situation: Situation, options: Options) -> OneShot | Declined:
        disk = view(situation, "l3")
        if isinstance(disk, Declined):
            return disk
        for name in ("l1", "l2"):
            tier = view(situation, name)
            if not isinstance(tier, Declined) and not tier.full:
                return OneShot("warm")
        return Declined("Neither L1 nor L2 has room.")
