"""The state of a tier that actions need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sidecar.config.values import TierConfig
from sidecar.model.change import Declined, Size
from sidecar.optimizer.situation import Situation

MemoryTierName = Literal["l1", "l2"]
TierName = Literal["l1", "l2", "l3"]

FULL = 0.9
"""The share of a limit from which a tier is full. It is below 1, since a tier that holds large
values may stay below its limit by almost the size of one."""


@dataclass(frozen=True, slots=True)
class TierView:
    """An enabled tier: its limits in force, its configured limits, and what it holds."""

    name: str
    limit: Size
    configured: Size
    entries: int
    used_bytes: int

    @property
    def full_of_entries(self) -> bool:
        return self.entries >= FULL * self.limit.max_entries

    @property
    def full_of_bytes(self) -> bool:
        return self.used_bytes >= FULL * self.limit.max_bytes

    @property
    def full(self) -> bool:
        return self.full_of_entries or self.full_of_bytes

    @property
    def bytes_when_full(self) -> float:
        """The bytes that the full tier holds, if the size of its entries stays the same."""
        if not (self.entries and self.used_bytes):
            return self.limit.max_bytes
        return min(self.limit.max_bytes, self.used_bytes / self.entries * self.limit.max_entries)


def view(situation: Situation, tier: str) -> TierView | Declined:
    """The tier, or why no change is possible: it is disabled, or L3 is not up."""
    name = tier.upper()
    config: TierConfig = getattr(situation.effective.cache.tiers, tier)
    if not config.enabled:
        return Declined(f"{name} is disabled.")
    if tier == "l3" and situation.cache.l3_state != "up":
        return Declined(f"L3 is {situation.cache.l3_state}.")
    [state] = [state for state in situation.cache.tiers if state.tier == tier]
    return TierView(
        name,
        limit=_size(config),
        configured=_size(getattr(situation.configured.cache.tiers, tier)),
        entries=state.entries,
        used_bytes=state.used_bytes,
    )


def _size(config: TierConfig) -> Size:
    return Size(config.max_entries, config.max_bytes)
