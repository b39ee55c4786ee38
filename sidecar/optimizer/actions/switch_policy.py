"""cache: change the policy of a tier."""

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
    if tier is None:  # reported as a separate error
        return name
    vocabulary = vocabulary_of(info)
    known = vocabulary.disk_policies if tier == "l3" else vocabulary.policies
    if name not in known:
        raise ValueError(f"{shown(name)} is not a policy of {tier}; {nearest(name, known)}")
    return name


class SwitchPolicy:
    """Change the policy of a tier. Its entries stay, in the same order as far as possible."""

    name: ClassVar[str] = "switch_policy"
    rule_type: ClassVar[str] = "cache"

    class Options(Section):
        tier: TierName
        """The tier: `l1`, `l2` or `l3`."""
        to: Annotated[str, AfterValidator(_policy)]
        """A policy that the tier supports; its options have their defaults."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        tier = view(situation, options.tier)
        if isinstance(tier, Declined):
            return tier
        return set_to(situation, f"tiers.{options.tier}.policy", options.to)
