"""What becomes of entries in memory: promotion, demotion, compression and eviction.

An entry is in L1 or in L2, never in both. A put goes to L1, what is read from L3 goes to L2, and
then the tiers are brought within their limits:

| over | and | then |
|---|---|---|
| L1 | L2 has space | the victim of L1's policy falls to L2, compressed if that saves space |
| L1 | L2 is full | the victim of L2's policy leaves memory, from whichever tier it is in |
| L2 | L1 has space | what came last rises to L1: memory is full only when both are |
| L2 | L1 is full | the victim of L2's policy leaves memory; if it was in L1, L1 has space now |

If L2 is disabled, what falls from L1 leaves memory. The store decides whether to write an entry
that leaves to L3. An entry that is hit often enough in L2 is promoted to L1. Only `_pack_large`
awaits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sidecar.config.values import CacheConfig, TierConfig
from sidecar.model.clock import Clock
from sidecar.model.entry import L1, L2, L3, UNUSED, Entry, Packed, Tier
from sidecar.model.invalidations import Invalidations
from sidecar.model.life import is_expired
from sidecar.model.stats import StoreStats
from sidecar.policies.protocol import Policy
from sidecar.tiers.memory import Memory, Room, cost_of
from sidecar.tiers.packing import LEAST_BYTES, LOOP_BYTES, pack, pack_aside

EVICT_AT_ONCE = 64
"""The most entries that one call moves: a tier whose limits were lowered is drained in slices."""
MAX_PACKING = 8
"""The most large values packed in threads at a time; further ones stay unpacked."""
_LEAST_EXPECTED = 16
"""L2 is expected to have space for at least so many of the entries that fall."""

PolicyFactory = Callable[[TierConfig], Policy[Any]]


class MemoryTiers:
    """The tiers in memory. `leave` is called with each live entry that they evict."""

    def __init__(
        self,
        clock: Clock,
        config: CacheConfig,
        make_policy: PolicyFactory,
        *,
        invalidations: Invalidations,
        stats: StoreStats,
        leave: Callable[[Entry], None],
    ) -> None:
        tiers = config.tiers
        self.l1, self.l2 = Room(*_limits(tiers.l1)), Room(*_limits(tiers.l2))
        self.held = Memory(make_policy(tiers.l2), make_policy(tiers.l1), self.l1, self.l2)
        self._clock = clock
        self._config = config
        self._make_policy = make_policy
        self._invalidations = invalidations
        self._l1_counts, self._l2_counts = stats.tiers[L1], stats.tiers[L2]
        self._stats = stats
        self._leave = leave
        self._packing: set[asyncio.Task[None]] = set()

    # ---- queries

    def find(self, key: bytes) -> Entry | None:
        """The entry in L1 or L2, even if it has expired."""
        return self.held.order.get(key)

    def invalidated(self, entry: Entry) -> bool:
        return self._invalidations.any and self._invalidations.covers(entry.key, entry.seq)

    def dead(self, entry: Entry) -> bool:
        return is_expired(entry.times.imag, self._clock()) or self.invalidated(entry)

    # ---- put, use, remove

    def put(self, entry: Entry) -> None:
        """Add an entry to L1, or to L2 if it does not fit L1."""
        cost = cost_of(entry.key, entry.value)
        if self.l1.fits(cost):
            self.held.hold(entry, cost, in_l1=True)
            self._fit_l1()
        else:
            self._into_l2(entry, cost)

    def bring(self, entry: Entry) -> None:
        """Add an entry from L3 to L2, or to L1 if L2 is disabled."""
        if self._config.tiers.l2.enabled:
            self._into_l2(entry, cost_of(entry.key, entry.value))
        else:
            self.put(entry)

    def use(self, entry: Entry, value: bytes) -> None:
        """Record a hit, for the policies and for promotion; `value` is the entry's value as put."""
        if entry.on_disk == UNUSED:
            entry.on_disk = 0
        held = self.held
        held.order.hit(entry)
        place = held.ready.get(entry.key)
        if place is None:
            entry.hits += 1
            if entry.hits >= self._config.promote_after:
                self.promote(entry, value)
            return
        held.ready.hit(place)
        if entry.value is not value:  # it came to L1 packed, without a hit
            held.repack(entry, value)
            self._fit_l1()

    def promote(self, entry: Entry, value: bytes) -> None:
        """Move an entry from L2 to L1 if it fits there; `value` is its value as put."""
        if self.l1.fits(cost_of(entry.key, value)):
            self._lift(entry, value)
            self._fit_l1()

    def pop(self, key: bytes) -> None:
        """Remove it from the tier that has it; not counted as an eviction."""
        entry = self.held.order.get(key)
        if entry is not None:
            self.held.remove(entry)

    def expire(self, entry: Entry, tier: Tier) -> None:
        """Remove an entry that a lookup found expired."""
        if tier is not L3:
            self._stats.tiers[tier].expirations += 1
            self.held.remove(entry)

    # ---- a new configuration, and background work

    def apply(self, config: CacheConfig) -> None:
        """Use another configuration from the next operation on; `drain` adapts the tiers to it."""
        old, new = self._config.tiers, config.tiers
        self._config = config
        self.l1.resize(*_limits(new.l1))
        self.l2.resize(*_limits(new.l2))
        if _policy_of(old.l1) != _policy_of(new.l1):
            self.held.change_ready(self._make_policy(new.l1))
        if _policy_of(old.l2) != _policy_of(new.l2):
            self.held.change_order(self._make_policy(new.l2))
        self.held.ready.resize(self.l1.max_entries)
        self.held.order.resize(self.l1.max_entries + self.l2.max_entries)

    def drain(self) -> bool:
        """One slice of shrinking and of changing policies; True when done."""
        migrated = self.held.migrate()
        self._fit_l1()
        self._shrink_l2()
        return migrated and not self.l1.over and not self.l2.over

    def sweep(self, keys: list[bytes]) -> None:
        """Remove those of `keys` that have expired or were invalidated."""
        now = self._clock()
        for key in keys:
            entry = self.held.order.get(key)
            if entry is None:
                continue
            if is_expired(entry.expires_at, now):
                self.expire(entry, self.held.tier_of(key))
            elif self.invalidated(entry):
                self.held.remove(entry)

    # ---- within the limits

    def _into_l2(self, entry: Entry, cost: int) -> None:
        self.held.hold(entry, cost, in_l1=False)
        self._fit_l2(entry, cost)

    def _fit_l1(self) -> None:
        """Bring L1 within its limits."""
        moved = 0
        while self.l1.over and moved < EVICT_AT_ONCE:
            moved += 1
            # Whether L2 has space is asked first: what is evicted may be in L1, and then nothing
            # has to fall, to be compressed, and to rise again.
            if not self._l2_is_full() or self._evict()[1] is L2:
                self._lower()

    def _l2_is_full(self) -> bool:
        """Whether L2 is used, and has no space for an average entry of L1."""
        if not self._config.tiers.l2.enabled:
            return False
        average = self.l1.used_bytes // len(self.l1)
        return not self.l2.has_space(min(average, self.l2.max_bytes // _LEAST_EXPECTED))

    def _lower(self) -> None:
        """Let the victim of L1's policy fall."""
        entry, cost = self.held.lower()
        self._l1_counts.evictions += 1
        if self.dead(entry):
            self.held.remove(entry)
        elif self._config.tiers.l2.enabled:
            self._l1_counts.demotions += 1
            self._fit_l2(entry, cost)
        else:
            self.held.remove(entry)
            self._leave(entry)

    def _fit_l2(self, came: Entry, cost: int) -> None:
        """Compress what came to L2 at this cost, and bring L2 within its limits."""
        came.hits = 0
        value = came.value
        if isinstance(value, bytes) and len(value) >= LEAST_BYTES:
            self._pack(came, value)
            cost = cost_of(came.key, came.value)
        if not self.l2.fits(cost):
            self.held.remove(came)
            self._left(came, L2)
            return
        moved = 0
        last: Entry | None = came
        while self.l2.over and moved < EVICT_AT_ONCE:
            moved += 1
            if last is not None and self.l1.has_space(cost_of(last.key, value)):
                self._lift(last, value)
                last = None
            elif self._evict()[0] is last:
                last = None

    def _shrink_l2(self) -> None:
        """Bring L2 within lower limits: its victims fill the space that others leave in L1, so that
        a smaller L2 does not empty L1.
        """
        moved = 0
        while self.l2.over and moved < EVICT_AT_ONCE:
            moved += 1
            entry, tier = self.held.evict()
            cost = cost_of(entry.key, entry.value)
            if tier is L2 and self.l1.has_space(cost) and not self.dead(entry):
                self._l2_counts.promotions += 1
                self.held.hold(entry, cost, in_l1=True)
            else:
                self._left(entry, tier)

    def _lift(self, entry: Entry, value: bytes | Packed) -> None:
        self._l2_counts.promotions += 1
        self.held.lift(entry, value)

    def _evict(self) -> tuple[Entry, Tier]:
        """Evict the victim of L2's policy; returns it, and the tier that it was in."""
        entry, tier = self.held.evict()
        self._left(entry, tier)
        return entry, tier

    def _left(self, entry: Entry, tier: Tier) -> None:
        (self._l1_counts if tier is L1 else self._l2_counts).evictions += 1
        self._leave(entry)

    # ---- compression

    def _pack(self, entry: Entry, value: bytes) -> None:
        """Compress an entry that came to L2; a large value in a thread, after it came."""
        if self._config.tiers.l2.compression != "zstd":
            return
        if len(value) <= LOOP_BYTES:
            self.held.repack(entry, pack(value))
        elif len(self._packing) < MAX_PACKING:
            task = asyncio.get_running_loop().create_task(self._pack_large(entry, value))
            self._packing.add(task)
            task.add_done_callback(self._packing.discard)

    async def _pack_large(self, entry: Entry, value: bytes) -> None:
        packed = await pack_aside(value)
        still = self.held.order.get(entry.key) is entry and entry.value is value
        if still and self.held.tier_of(entry.key) is L2:
            self.held.repack(entry, packed)


def _limits(tier: TierConfig) -> tuple[int, int]:
    """The limits of a tier; 0 if it is disabled."""
    return (tier.max_entries, tier.max_bytes) if tier.enabled else (0, 0)


def _policy_of(tier: TierConfig) -> tuple[object, ...]:
    return tier.policy, tier.policy_options
