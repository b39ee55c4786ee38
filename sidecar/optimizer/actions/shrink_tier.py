"""memory: shrink L1 or L2."""

from __future__ import annotations

from typing import ClassVar

from sidecar.config.quantities import format_percent
from sidecar.config.schema import Percent
from sidecar.config.section import Section
from sidecar.config.values import KIB
from sidecar.model.change import Declined, Size, Turn
from sidecar.optimizer.actions.turning import lowered_count
from sidecar.optimizer.actions.view import MemoryTierName, view
from sidecar.optimizer.situation import Situation

LEAST_ENTRIES, LEAST_BYTES = 1, 64 * KIB


class ShrinkTier:
    """Lower both limits of L1 or L2 below what the tier holds.

    Lowering the limit of a half full tier by 20% would free nothing. So the share is taken off what
    the tier holds, if that is less than the limit, and a limit may fall by more than the share.
    Declined if no entry would have to leave.
    """

    name: ClassVar[str] = "shrink_tier"
    rule_type: ClassVar[str] = "memory"

    class Options(Section):
        tier: MemoryTierName
        """The tier: `l1` or `l2`."""
        by: Percent = 0.20
        """The share of its contents that must leave."""
        at_least: Percent = 0.10
        """The floor, as a share of the configured size; at least one entry and 64 KiB."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        tier = view(situation, options.tier)
        if isinstance(tier, Declined):
            return tier
        share = min(options.by, situation.step)
        least_entries = max(LEAST_ENTRIES, int(tier.configured.max_entries * options.at_least))
        least_bytes = max(LEAST_BYTES, int(tier.configured.max_bytes * options.at_least))
        entries = min(tier.entries, tier.limit.max_entries)
        used_bytes = min(tier.used_bytes, tier.limit.max_bytes)
        left_entries = lowered_count(entries, share, least_entries)
        left_bytes = lowered_count(used_bytes, share, least_bytes)
        if left_entries >= entries and left_bytes >= used_bytes:
            floor = format_percent(options.at_least)
            return Declined(
                f"{tier.name} is at its floor of {floor} of the configured size, or holds no more."
            )
        limit = tier.limit
        size = Size(min(limit.max_entries, left_entries), min(limit.max_bytes, left_bytes))
        return Turn(f"tiers.{options.tier}.size", size)
