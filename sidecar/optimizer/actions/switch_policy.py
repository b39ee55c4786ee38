"""cache: who leaves a tier first."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, ValidationInfo

from sidecar.config.schema import vocabulary_of
from sidecar.config.section import Section
from sidecar.config.wording import nearest, shown
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import set_to
from sidecar.optimizer.actions.view import TierName, view
from sidecar.optimizer.situation import Situation


def _policy(name: str, info: ValidationInfo) -> str:
    tier = info.data.get("tier")
    if tier is None:  # which is a mistake of its own
        return name
    vocabulary = vocabulary_of(info)
    known = vocabulary.disk_policies if tier == "l3" else vocabulary.policies
    if name not in known:
        raise ValueError(f"{shown(name)} is not a policy of {tier}; {nearest(name, known)}")
    return name


class SwitchPolicy:
    """Order a tier's entries by another policy. They stay, and keep their order where they can."""

    name: ClassVar[str] = "switch_policy"
    rule_type: ClassVar[str] = "cache"

    class Options(Section):
        tier: TierName
        """Which tier: `l1`, `l2` or `l3`."""
        to: Annotated[str, AfterValidator(_policy)]
        """Any policy that the tier takes, with its usual options."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        tier = view(situation, options.tier)
        if isinstance(tier, Declined):
            return tier
        return set_to(situation, f"tiers.{options.tier}.policy", options.to)
