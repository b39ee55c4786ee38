"""Checks the sizes of tiers against the container's memory limit and the volume.

A size in the document is accepted or rejected, never changed. A default is never rejected: it is
lowered until it fits. The limits are parameters, read by the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from sidecar.config.memory import LEAST_WITH_L3_BYTES, fit_memory, most_in_memory
from sidecar.config.quantities import format_size, parse_size
from sidecar.config.tree import Node, Path
from sidecar.config.values import MIB, CacheConfig, DiskTierConfig, TiersConfig

L3_SPARE_BYTES = 64 * MIB
"""What RocksDB may need in addition to twice the live bytes: log, manifests, a compaction."""

SMALLEST_L3_BYTES = MIB
"""A default L3 is disabled if it would be smaller than this."""


def fit(
    cache: CacheConfig,
    stated: Mapping[str, int],
    memory_limit_bytes: int | None,
    data_limit_bytes: int | None,
) -> CacheConfig:
    """The configuration with every `max_bytes` that the document does not set lowered until it
    fits, and `max_value_bytes` in any case.

    In memory there must be room for the processes, L3's buffers and requests too, see `memory`. L3
    is lowered to leave RocksDB room for compaction, and disabled if less than a mebibyte is left,
    or if the memory limit is too low for its process.
    """
    tiers = cache.tiers
    if data_limit_bytes is not None and "l3" not in stated:
        tiers = replace(tiers, l3=_fit_disk(tiers.l3, largest_l3_bytes(data_limit_bytes)))
    cache = replace(cache, tiers=tiers)
    if memory_limit_bytes is None:
        return cache
    return fit_memory(cache, memory_limit_bytes, frozenset(stated))


def fits(tiers: TiersConfig, memory_limit_bytes: int | None, data_limit_bytes: int | None) -> bool:
    """Whether a document that states these sizes would be accepted."""
    named = {"l1": tiers.l1, "l2": tiers.l2, "l3": tiers.l3}
    sizes = {name: tier.max_bytes for name, tier in named.items() if tier.enabled}
    in_memory = memory_limit_bytes is None or _in_memory(sizes) <= most_in_memory(
        memory_limit_bytes, with_l3=tiers.l3.enabled
    )
    return in_memory and (
        data_limit_bytes is None or sizes.get("l3", 0) <= largest_l3_bytes(data_limit_bytes)
    )


def _fit_disk(tier: DiskTierConfig, largest: int) -> DiskTierConfig:
    if largest < SMALLEST_L3_BYTES:
        return replace(tier, enabled=False)
    return replace(tier, max_bytes=min(tier.max_bytes, largest))


def largest_l3_bytes(data_limit_bytes: int) -> int:
    """The largest `max_bytes` of L3 whose files stay below the limit; 0 if there is none."""
    return max(0, data_limit_bytes - L3_SPARE_BYTES) // 2


def stated_sizes(cache: Node) -> dict[str, int]:
    """The valid `max_bytes` of the enabled tiers, by tier.

    Read from the tree, not from the validated model, so that other errors do not hide these.
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
    """The path and the message for every configured size above a limit."""
    sizes = stated_sizes(cache)
    excess: list[tuple[Path, str]] = []
    if memory_limit_bytes is not None:
        excess += _memory_excess(cache, sizes, memory_limit_bytes)
    if data_limit_bytes is not None:
        largest = largest_l3_bytes(data_limit_bytes)
        if sizes.get("l3", 0) > largest:
            sentence = _disk_sentence(largest, data_limit_bytes)
            excess.append((("tiers", "l3", "max_bytes"), sentence))
        elif "l3" not in sizes and largest < SMALLEST_L3_BYTES and _wants_disk(cache):
            excess.append((("tiers", "l3", "enabled"), _disk_sentence(0, data_limit_bytes)))
    return excess


def _memory_excess(
    cache: Node, sizes: Mapping[str, int], limit_bytes: int
) -> Iterator[tuple[Path, str]]:
    wants_disk = _wants_disk(cache)
    with_l3 = wants_disk is not False and limit_bytes >= LEAST_WITH_L3_BYTES
    most = most_in_memory(limit_bytes, with_l3=with_l3)
    if _in_memory(sizes) > most:
        culprit = max(sizes.keys() & {"l1", "l2"}, key=sizes.__getitem__)
        yield ("tiers", culprit, "max_bytes"), _memory_sentence(sizes, most, limit_bytes)
    if wants_disk and not with_l3:
        yield ("tiers", "l3", "enabled"), _no_disk_sentence(limit_bytes)


def _in_memory(sizes: Mapping[str, int]) -> int:
    return sizes.get("l1", 0) + sizes.get("l2", 0)


def _wants_disk(cache: Node) -> bool | None:
    """Whether L3 is to be used, if the document states it."""
    enabled = cache.get(("tiers", "l3", "enabled"))
    return None if enabled is None else enabled.value is True


def _no_disk_sentence(limit_bytes: int) -> str:
    return (
        f"L3 needs a memory limit of {format_size(LEAST_WITH_L3_BYTES)}, and this container has"
        f" {format_size(limit_bytes)}; raise it, or leave enabled out"
    )


def _memory_sentence(sizes: Mapping[str, int], most: int, limit_bytes: int) -> str:
    parts = " and ".join(f"{format_size(sizes[t])} of {t}" for t in ("l1", "l2") if t in sizes)
    return (
        f"max_bytes above the memory limit of the container: {parts} are more than the"
        f" {format_size(most)} that a limit of {format_size(limit_bytes)} leaves for them;"
        " lower them, or raise the limit"
    )


def _disk_sentence(largest: int, limit_bytes: int) -> str:
    fits = (
        f"write at most {format_size(largest)}, or raise the data limit"
        if largest >= SMALLEST_L3_BYTES
        else "disable l3 with enabled: false, or raise the data limit"
    )
    return (
        f"max_bytes above the data limit of {format_size(limit_bytes)}: RocksDB needs up to twice"
        f" the live bytes and {format_size(L3_SPARE_BYTES)} more; {fits}"
    )
