"""How the memory of the container is divided: what the processes take, L3, the tiers, requests.

The kernel kills a container that exceeds its limit, so what may be in memory at the same time is
added up beforehand. Sizes that a document does not state give way: the largest value first, down to
LEAST_VALUE_BYTES, then L1 and L2. The figures were measured (`tests/amplification`).
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, replace
from typing import TypeVar

from sidecar.config.values import KIB, MIB, CacheConfig, TierConfig, TiersConfig

T = TypeVar("T", bound=TierConfig)

IDLE_BYTES = 60 * MIB
"""What both processes take without an entry, with the memory of the kernel for them, and a
ConfigMap that is watched."""
ALONE_BYTES = 47 * MIB
"""The same without L3's process."""
SLACK_PART = 16
"""A sixteenth of the limit is for what is not counted: pages of the programs, holes in the heap."""
LEAST_WITH_L3_BYTES = 96 * MIB
"""In a smaller container there is no L3."""
RESIDENT_SHARE = 1.15
"""Resident memory for each byte that L1 or L2 counts, at most."""

BUFFERS_SHARE = 8
LEAST_BUFFERS_BYTES, MOST_BUFFERS_BYTES = 6 * MIB, 24 * MIB
"""RocksDB's memtables and block cache: an eighth of what is left, within these."""
L3_VALUES = 7
"""How many of the largest value L3 has in memory at the same time, in both processes: on the way
there and back, in memtables, while they are flushed, and while tables are compacted."""
REQUEST_VALUES = 4
"""How many of the largest value requests must have room for at least."""
TIER_VALUES = 4
"""How many of the largest value L1 and L2 get at least, if the document does not state their size:
otherwise values are limited further."""

LEAST_VALUE_BYTES = MIB
"""The largest value is not limited further than this."""
PENDING_SHARE = 4
"""The part of L3's memory that writes may take which it has not acknowledged."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The division of a container's memory, in bytes."""

    l3_buffers: int
    """Memtables and block cache; 0 without L3."""
    l3: int
    """All that L3 needs, buffers included."""
    requests: int
    """The budget of requests."""

    @property
    def pending(self) -> int:
        """The most bytes of writes that L3 has not acknowledged."""
        return self.l3 // PENDING_SHARE


def plan(cache: CacheConfig, limit_bytes: int) -> Plan:
    """The plan for this configuration, which `fit_memory` has made fit."""
    with_l3 = cache.tiers.l3.enabled
    left = _free(limit_bytes, with_l3=with_l3)
    buffers = _buffers(left, with_l3=with_l3)
    l3 = buffers + L3_VALUES * cache.max_value_bytes if with_l3 else 0
    least = REQUEST_VALUES * cache.max_value_bytes
    return Plan(buffers, l3, max(least, left - l3 - _resident(cache.tiers, {"l1", "l2"})))


def fit_memory(
    cache: CacheConfig, limit_bytes: int, fixed: frozenset[str] = frozenset()
) -> CacheConfig:
    """The configuration with what does not fit lowered: the largest value, and the sizes of L1 and
    L2 except those in `fixed`, which were checked with `most_in_memory`. In little memory without
    L3.
    """
    tiers = cache.tiers
    if limit_bytes < LEAST_WITH_L3_BYTES:
        tiers = replace(tiers, l3=replace(tiers.l3, enabled=False))
    left = _free(limit_bytes, with_l3=tiers.l3.enabled)
    buffers = _buffers(left, with_l3=tiers.l3.enabled)
    values = REQUEST_VALUES + (L3_VALUES if buffers else 0)
    open_bytes = _resident(tiers, {"l1", "l2"} - fixed)
    left -= buffers + _resident(tiers, fixed)
    largest = left // (values + (TIER_VALUES if open_bytes else 0))
    largest = min(cache.max_value_bytes, max(_readable(largest), LEAST_VALUE_BYTES))
    share = max(0.0, min(1.0, (left - values * largest) / max(1, open_bytes)))
    return replace(
        cache,
        max_value_bytes=largest,
        tiers=replace(
            tiers,
            l1=tiers.l1 if "l1" in fixed else _scaled(tiers.l1, share),
            l2=tiers.l2 if "l2" in fixed else _scaled(tiers.l2, share),
        ),
    )


def most_in_memory(limit_bytes: int, *, with_l3: bool) -> int:
    """The most `max_bytes` of L1 and L2 together, in whole MiB; 0 if there is no room for any."""
    left = _free(limit_bytes, with_l3=with_l3)
    values = REQUEST_VALUES + (L3_VALUES if with_l3 else 0)
    left -= _buffers(left, with_l3=with_l3) + values * LEAST_VALUE_BYTES
    return max(0, int(left / RESIDENT_SHARE)) // MIB * MIB


def least_limit_bytes() -> int:
    """The lowest limit with which the sidecar serves, without L3."""
    needed = ALONE_BYTES + (REQUEST_VALUES + 1) * LEAST_VALUE_BYTES
    return needed * SLACK_PART // (SLACK_PART - 1)


def _free(limit_bytes: int, *, with_l3: bool) -> int:
    return limit_bytes - limit_bytes // SLACK_PART - (IDLE_BYTES if with_l3 else ALONE_BYTES)


def _buffers(left: int, *, with_l3: bool) -> int:
    if not with_l3:
        return 0
    return max(LEAST_BUFFERS_BYTES, min(MOST_BUFFERS_BYTES, left // BUFFERS_SHARE))


def _resident(tiers: TiersConfig, names: Set[str]) -> int:
    """What those of L1 and L2 that are named take when they are full."""
    named = {"l1": tiers.l1, "l2": tiers.l2}
    held = sum(it.max_bytes for name, it in named.items() if name in names and it.enabled)
    return int(held * RESIDENT_SHARE)


def _scaled(tier: T, share: float) -> T:
    if share == 1.0:
        return tier
    return replace(tier, max_bytes=max(1, _readable(int(tier.max_bytes * share))))


def _readable(size: int) -> int:
    """In whole KiB."""
    return size // KIB * KIB
