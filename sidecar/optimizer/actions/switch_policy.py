"""cache: who leaves a tier first."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ValidationInfo

from sidecar.config.schema import DISK_POLICIES, Section
from sidecar.config.values import RuleType
from sidecar.config.wording import nearest, shown
from sidecar.model.change import Declined, Turn
from sidecar.optimizer.actions.turning import set_to
from sidecar.optimizer.actions.view import TierName, view
from sidecar.optimizer.situation import Situation
from sidecar.policies.registry import POLICIES


def _policy(name: str, info: ValidationInfo) -> str:
    tier = info.data.get("tier")
    if tier is None:  # which is a mistake of its own
        return name
    in_memory: Collection[str] = POLICIES if info.context is None else info.context
    known = DISK_POLICIES if tier == "l3" else in_memory
    if name not in known:
        raise ValueError(f"{shown(name)} is not a policy of {tier}; {nearest(name, known)}")
    return name


class SwitchPolicy:
    """Order a tier's entries by another policy. They stay, and keep their order as far as it goes.

    The context of a validation is the collection of policies known in memory, as everywhere in the
    document; without one, those that come with the sidecar.
    """

    name: ClassVar[str] = "switch_policy"
    rule_type: ClassVar[RuleType] = "cache"

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
