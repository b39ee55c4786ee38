"""cache: make a full tier larger."""

from __future__ import annotations

import math
from typing import ClassVar

from sidecar.config.limits import L3_SPARE_BYTES
from sidecar.config.quantities import LARGEST_SIZE, format_percent
from sidecar.config.schema import Ceiling, Percent
from sidecar.config.section import Section
from sidecar.model.change import Declined, Size, Turn
from sidecar.optimizer.actions.turning import raised_count
from sidecar.optimizer.actions.view import TierName, TierView, view
from sidecar.optimizer.situation import Situation

RESIDENT_BYTES = 1.15
"""Maximum resident memory for each byte that L1 or L2 counts."""
DISK_BYTES = 2
"""Maximum bytes in L3's folder for each live byte, in addition to L3_SPARE_BYTES."""
DISK_SHARE = 0.5
"""Largest share of the free space on the volume that L3 gets: others may use the volume too."""
LEAST_SHARE = 0.1
"""Smallest share of a step for which there must be room: less is not worth a trial."""


class GrowTier:
    """Raise the limits that a tier has reached, entries or bytes, as far as there is room.

    New entries of a tier are assumed to be as large as its existing ones. The room for L1 and L2 is
    the available memory of the container, minus `reserve`, minus the unused capacity of both.
    Without a memory limit only the ceiling applies. If there is a limit, but its use is unknown, no
    tier grows. The room for L3 is the size of its folder and half of the free space on the volume.
    """

    name: ClassVar[str] = "grow_tier"
    rule_type: ClassVar[str] = "cache"

    class Options(Section):
        tier: TierName
        """The tier: `l1`, `l2` or `l3`."""
        by: Percent = 0.25
        """The share by which the limits grow."""
        at_most: Ceiling = 4.0
        """The ceiling, as a share of the configured size."""
        reserve: Percent = 0.10
        """The share of the container's memory limit that stays free; ignored for L3."""

    def propose(self, situation: Situation, options: Options) -> Turn | Declined:
        tier = view(situation, options.tier)
        if isinstance(tier, Declined):
            return tier
        if not tier.full:
            return Declined(f"{tier.name} is not full.")
        share = min(options.by, situation.step)
        if _grown(tier, share, options.at_most) == tier.limit:
            ceiling = format_percent(options.at_most)
            return Declined(f"{tier.name} is at its ceiling of {ceiling} of the configured size.")
        if options.tier == "l3":
            room = _room_on_disk(situation)
        else:
            room = _room_in_memory(situation, tier, options.reserve)
        if isinstance(room, Declined):
            return room
        fits = room / tier.bytes_when_full - 1
        if fits < LEAST_SHARE * share:
            where = "on the volume" if options.tier == "l3" else "in the container's memory"
            return Declined(f"There is no room {where} for a larger {tier.name}.")
        size = _grown(tier, min(share, fits), options.at_most)
        return Turn(f"tiers.{options.tier}.size", size)


def _grown(tier: TierView, share: float, at_most: float) -> Size:
    """The limits after a step; a limit that the tier has not reached is unchanged."""
    old, configured = tier.limit, tier.configured
    entries, size_bytes = old.max_entries, old.max_bytes
    if tier.full_of_entries:
        entries = raised_count(entries, share, int(configured.max_entries * at_most))
    if tier.full_of_bytes:
        most = min(int(configured.max_bytes * at_most), LARGEST_SIZE)
        size_bytes = raised_count(size_bytes, share, most)
    return Size(max(old.max_entries, entries), max(old.max_bytes, size_bytes))


def _room_in_memory(situation: Situation, tier: TierView, reserve: float) -> float | Declined:
    """The bytes that the tier may hold, as the tier counts them."""
    limit = situation.signal("memory.limit_bytes")
    if limit is None:
        return math.inf
    available = situation.signal("memory.available_bytes")
    if available is None:
        return Declined("memory.available_bytes is unavailable, although there is a limit.")
    others = sum(
        max(0.0, other.bytes_when_full - other.used_bytes)
        for other in (view(situation, "l1"), view(situation, "l2"))
        if isinstance(other, TierView) and other.name != tier.name
    )
    return tier.used_bytes + (available - reserve * limit) / RESIDENT_BYTES - others


def _room_on_disk(situation: Situation) -> float | Declined:
    """The bytes that L3 may hold."""
    free = situation.signal("io.disk_free_bytes")
    if free is None:
        return Declined("io.disk_free_bytes is unavailable.")
    folder = situation.cache.l3_folder_bytes + free * DISK_SHARE
    return (folder - L3_SPARE_BYTES) / DISK_BYTES
