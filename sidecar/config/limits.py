"""What fits: the sizes of tiers against the container's memory and the volume.

What the operator states is taken or refused, never changed. What nobody stated is a default, and a
default is never refused: it shrinks until it fits. The limits are parameters; who asks reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from sidecar.config.quantities import format_size, parse_size
from sidecar.config.tree import Node, Path
from sidecar.config.values import MIB, DiskTierConfig, TierConfig, TiersConfig

T = TypeVar("T", bound=TierConfig)

L3_SPARE_BYTES = 64 * MIB
"""What RocksDB may need beside twice the live bytes: its log, its manifests, a compaction."""

SMALLEST_L3_BYTES = MIB
"""Where less than this is left on the volume, a default L3 is switched off."""


def fit(
    tiers: TiersConfig,
    stated: Mapping[str, int],
    memory_limit_bytes: int | None,
    data_limit_bytes: int | None,
) -> TiersConfig:
    """The tiers with every `max_bytes` that is not among the stated ones made to fit.

    Defaults in memory share at most half of what the stated sizes leave, since the interpreter, the
    process of L3 and the page cache live there too. L3 shrinks to what leaves RocksDB room for
    compaction, and is off where that is less than a mebibyte.
    """
    if memory_limit_bytes is not None:
        free = memory_limit_bytes - _in_memory(stated)
        open_bytes = sum(
            tier.max_bytes
            for name, tier in (("l1", tiers.l1), ("l2", tiers.l2))
            if tier.enabled and name not in stated
        )
        share = min(1.0, max(0, free) / 2 / max(1, open_bytes))
        tiers = replace(
            tiers,
            l1=tiers.l1 if "l1" in stated else _scaled(tiers.l1, share),
            l2=tiers.l2 if "l2" in stated else _scaled(tiers.l2, share),
        )
    if data_limit_bytes is not None and "l3" not in stated:
        tiers = replace(tiers, l3=_fit_disk(tiers.l3, largest_l3_bytes(data_limit_bytes)))
    return tiers


def _in_memory(sizes: Mapping[str, int]) -> int:
    return sizes.get("l1", 0) + sizes.get("l2", 0)


def _scaled(tier: T, share: float) -> T:
    return replace(tier, max_bytes=max(1, int(tier.max_bytes * share)))


def _fit_disk(tier: DiskTierConfig, largest: int) -> DiskTierConfig:
    if largest < SMALLEST_L3_BYTES:
        return replace(tier, enabled=False)
    return replace(tier, max_bytes=min(tier.max_bytes, largest))


def largest_l3_bytes(data_limit_bytes: int) -> int:
    """The largest `max_bytes` of L3 whose files stay below the limit; 0 where none does."""
    return max(0, data_limit_bytes - L3_SPARE_BYTES) // 2


def stated_sizes(cache: Node) -> dict[str, int]:
    """The readable `max_bytes` of the tiers that are not switched off, by tier.

    Taken from the tree, not from the validated model, so that a mistake elsewhere hides nothing.
    """
    sizes: dict[str, int] = {}
    for name in ("l1", "l2", "l3"):
        size = cache.get(("tiers", name, "max_bytes"))
        enabled = cache.get(("tiers", name, "enabled"))
        if size and not (enabled and enabled.value is False):
            with suppress(ValueError):
                sizes[name] = parse_size(size.value)
    return sizes


def find_excess(
    cache: Node, memory_limit_bytes: int | None, data_limit_bytes: int | None
) -> list[tuple[Path, str]]:
    """The path and the sentence of every stated size that is above a limit."""
    sizes = stated_sizes(cache)
    excess: list[tuple[Path, str]] = []
    if memory_limit_bytes is not None and _in_memory(sizes) > memory_limit_bytes:
        culprit = max(sizes.keys() & {"l1", "l2"}, key=sizes.__getitem__)
        excess.append(
            (("tiers", culprit, "max_bytes"), _memory_sentence(sizes, memory_limit_bytes))
        )
    if data_limit_bytes is not None:
        largest = largest_l3_bytes(data_limit_bytes)
        if sizes.get("l3", 0) > largest:
            sentence = _disk_sentence(largest, data_limit_bytes)
            excess.append((("tiers", "l3", "max_bytes"), sentence))
        elif "l3" not in sizes and largest < SMALLEST_L3_BYTES and _wants_disk(cache):
            excess.append((("tiers", "l3", "enabled"), _disk_sentence(0, data_limit_bytes)))
    return excess


def _wants_disk(cache: Node) -> bool:
    enabled = cache.get(("tiers", "l3", "enabled"))
    return enabled is not None and enabled.value is True


def _memory_sentence(sizes: Mapping[str, int], limit_bytes: int) -> str:
    parts = " and ".join(f"{format_size(sizes[t])} of {t}" for t in ("l1", "l2") if t in sizes)
    return (
        f"max_bytes above the memory limit of the container: {parts} are more than"
        f" {format_size(limit_bytes)}; write less, or raise the limit"
    )


def _disk_sentence(largest: int, limit_bytes: int) -> str:
    fits = (
        f"write at most {format_size(largest)}, or raise the data limit"
        if largest >= SMALLEST_L3_BYTES
        else "switch l3 off with enabled: false, or raise the data limit"
    )
    return (
        f"max_bytes above the data limit of {format_size(limit_bytes)}: RocksDB needs up to twice"
        f" the live bytes and {format_size(L3_SPARE_BYTES)} more; {fits}"
    )
