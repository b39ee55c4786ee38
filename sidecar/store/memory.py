"""What becomes of entries in memory: promotion, demotion, compression and eviction.

An entry is in L1 or in L2, never in both. A put goes to L1, what is read from L3 goes to L2, and
then the tiers are brought within their limits, one move at a time:

| over | and | then |
|---|---|---|
| L1 | L2 has space | the victim of L1's policy is demoted, and compressed if that saves space |
| L1 | L2 is full | the victim of L2's policy is evicted; if it was in L2, the row above applies |
| L2 | L1 has space | what came to L2 last is promoted, or any: memory is full only if both are |
| L2 | L1 is full | the victim of L2's policy is evicted; if it was in L1, L1 has space now |

If L2 is disabled, the victim of L1's policy leaves memory. The store decides whether to write an
entry that leaves to L3. An entry that is hit often enough in L2 is promoted to L1. Only
`_pack_large` awaits. One file of more than 300 lines, so that the moves stand beside the table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from sidecar.config.values import CacheConfig, TierConfig
from sidecar.model.clock import Clock
from sidecar.model.entry import L1, L2, L3, UNUSED, Entry, Packed, Tier
from sidecar.model.invalidations import Invalidations
from sidecar.model.life import is_ahead, is_expired
from sidecar.model.stats import StoreStats
from sidecar.model.tags import Tags
from sidecar.policies.protocol import Policy
from sidecar.tiers.memory import Memory, Room, cost_of
from sidecar.tiers.packing import LEAST_BYTES, LOOP_BYTES, pack, pack_aside

MOVES_AT_ONCE = 64
"""The most entries that one call moves: a tier whose limits were lowered is drained in slices."""
MAX_PACKING = 8
"""The most large values packed in threads at a time; further ones stay unpacked."""
PACKING_COPIES = 3
"""What one takes meanwhile: the value, whose entry may leave, what zstd allocates, the frame."""


class Spare(Protocol):
    """Memory that is shared with requests."""

    def take(self, size: int) -> bool:
        """Take `size` bytes, if there are as many."""

    def give(self, size: int) -> None:
        """Give them back."""


Came = tuple[Entry, bytes | Packed, int]
"""An entry that came to L2, with the form of its value, and its cost, before it was compressed."""
PolicyFactory = Callable[[TierConfig], Policy[Any]]


class MemoryTiers:
    """The tiers in memory. `leave` is called with each entry that leaves them for want of space."""

    def __init__(
        self,
        clock: Clock,
        config: CacheConfig,
        make_policy: PolicyFactory,
        *,
        invalidations: Invalidations,
        tags: Tags,
        stats: StoreStats,
        leave: Callable[[Entry], None],
        redate: Callable[[Entry], Entry],
        spare: Spare,
    ) -> None:
        """`redate` gives a new version of an entry that was put while the clock was ahead."""
        tiers = config.tiers
        self.l1, self.l2 = Room(*_limits(tiers.l1)), Room(*_limits(tiers.l2))
        self.held = Memory(make_policy(tiers.l2), make_policy(tiers.l1), self.l1, self.l2)
        self._clock = clock
        self._config = config
        self._make_policy = make_policy
        self._invalidations = invalidations
        self._tags = tags
        self._l1_counts, self._l2_counts = stats.tiers[L1], stats.tiers[L2]
        self._stats = stats
        self._leave = leave
        self._redate = redate
        self._spare = spare
        self._packing: set[asyncio.Task[None]] = set()
        self._rising: list[bytes] = []
        """Keys of L2 to promote while it shrinks and L1 has space."""
        self._resize()

    # ---- queries

    def find(self, key: bytes) -> Entry | None:
        """The entry in L1 or L2, even if it has expired."""
        return self.held.order.get(key)

    def invalidated(self, entry: Entry) -> bool:
        terms = entry.terms
        return (self._invalidations.any and self._invalidations.covers(entry.key, entry.seq)) or (
            terms is not None and self._tags.any and self._tags.covers(terms.marks, entry.seq)
        )

    def dead(self, entry: Entry) -> bool:
        invalidations, terms = self._invalidations, entry.terms
        # `invalidated` inlined: every put asks this.
        return (
            is_expired(entry.times.imag, self._clock())
            or (invalidations.any and invalidations.covers(entry.key, entry.seq))
            or (terms is not None and self.invalidated(entry))
        )

    # ---- put, use, remove

    def put(self, entry: Entry) -> None:
        """Add an entry to L1, or to L2 if it does not fit L1."""
        cost = cost_of(entry.key, entry.value, entry.terms)
        if self.l1.fits(cost):
            self.held.hold(entry, cost, L1)
            if self.l1.over or self.l2.over:
                self._fit()
        elif self._config.tiers.l2.enabled:
            self.bring(entry)
        else:
            self.pop(entry.key)

    def bring(self, entry: Entry) -> None:
        """Add an entry to L2, from L3 or too large for L1; to L1 if L2 is disabled."""
        if not self._config.tiers.l2.enabled:
            self.put(entry)
            return
        value = entry.value
        cost = cost_of(entry.key, value, entry.terms)
        self.held.hold(entry, cost, L2)
        if self._settle_in_l2(entry, cost):
            self._fit((entry, value, cost))

    def use(self, entry: Entry, value: bytes | None) -> None:
        """Record a hit, for the policies and for promotion; `value` is the entry's value as put.

        None: its frame was asked for, and L1 could not give that sooner. It stays where it is.
        """
        if entry.on_disk == UNUSED:
            entry.on_disk = 0
        held = self.held
        held.order.hit(entry)
        place = held.ready.get(entry.key)
        if place is None:
            entry.hits += 1
            if entry.hits >= self._config.promote_after and value is not None:
                self.promote(entry, value)
            return
        held.ready.hit(place)
        if value is None or entry.value is value:
            return
        if self.l1.fits(cost_of(entry.key, value, entry.terms)):
            held.repack(entry, value)  # it came to L1 packed, without a hit
            self._fit()

    def renew(self, entry: Entry, new: Entry) -> None:
        """Replace an entry by the same version with another life, if it is held."""
        if self.held.order.get(entry.key) is entry:
            cost = cost_of(new.key, new.value, new.terms)
            self.held.hold(new, cost, self.held.tier_of(entry.key))

    def promote(self, entry: Entry, value: bytes) -> None:
        """Move an entry of L2 to L1 if it fits there; `value` is its value as put."""
        if self.l1.fits(cost_of(entry.key, value, entry.terms)):
            self._promote(entry, value)
            self._fit()

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
        self._rising.clear()
        if _policy_of(old.l1) != _policy_of(new.l1):
            self.held.change_ready(self._make_policy(new.l1))
        if _policy_of(old.l2) != _policy_of(new.l2):
            self.held.change_order(self._make_policy(new.l2))
        self._resize()

    def drain(self) -> bool:
        """One slice of shrinking and of changing policies; True when done."""
        migrated = self.held.migrate()
        self._fit()
        fits = not self.over
        if fits:
            self._rising.clear()
        return migrated and fits

    @property
    def over(self) -> bool:
        """Whether a tier exceeds a limit."""
        return self.l1.over or self.l2.over

    def sweep(self, keys: list[bytes]) -> None:
        """Remove those of `keys` that have expired or were invalidated; redate those from a time
        when the clock was ahead.
        """
        now = self._clock()
        for key in keys:
            entry = self.held.order.get(key)
            if entry is None:
                continue
            if is_expired(entry.gone_at, now):
                self.expire(entry, self.held.tier_of(key))
            elif self.invalidated(entry):
                self.held.remove(entry)
            elif is_ahead(entry.created_at, now):
                cost = cost_of(key, entry.value, entry.terms)
                self.held.hold(self._redate(entry), cost, self.held.tier_of(key))

    # ---- within the limits

    def _fit(self, came: Came | None = None) -> None:
        """Bring the tiers within their limits: see the table above. `came` came to L2 last."""
        l1, l2 = self.l1, self.l2
        for _ in range(MOVES_AT_ONCE):
            if l1.over:
                # Whether L2 is full is asked first: a victim in L1 leaves nothing to be demoted,
                # compressed, and promoted again.
                is_full = self._config.tiers.l2.enabled and l2.full
                if not is_full or self._evict()[1] is L2:
                    came = self._demote()
            elif not l2.over:
                return
            elif came is not None and l1.has_space(came[2]):
                self._promote(came[0], came[1])
                came = None
            elif came is not None or l1.full or not self._promote_any():
                evicted, _ = self._evict()
                if came is not None and evicted is came[0]:
                    came = None

    def _demote(self) -> Came | None:
        """Demote the victim of L1's policy; None if L2 does not have it now."""
        entry, cost = self.held.demote()
        value = entry.value
        self._l1_counts.evictions += 1
        if self.dead(entry):
            self.held.remove(entry)
        elif not self._config.tiers.l2.enabled:
            self.held.remove(entry)
            self._leave(entry)
        else:
            self._l1_counts.demotions += 1
            if self._settle_in_l2(entry, cost):
                return entry, value, cost
        return None

    def _settle_in_l2(self, entry: Entry, cost: int) -> bool:
        """Compress what came to L2. False if it is too large for L2, and has left memory."""
        entry.hits = 0
        value = entry.value
        if isinstance(value, bytes) and len(value) >= LEAST_BYTES:
            self._pack(entry, value)
            cost = cost_of(entry.key, entry.value, entry.terms)
        if self.l2.fits(cost):
            return True
        self.held.remove(entry)
        self._l2_counts.evictions += 1
        self._leave(entry)
        return False

    def _promote_any(self) -> bool:
        """Promote an entry of L2, as it is, if L1 has space for it.

        Which one makes no difference: the victim of L2's policy is the same wherever it is. The
        keys are listed at once, as for a sweep.
        """
        held = self.held
        if not self._rising:
            self._rising = list(held.order.keys())
        while self._rising:
            entry = held.order.get(self._rising.pop())
            if entry is not None and held.tier_of(entry.key) is L2:
                if not self.l1.has_space(cost_of(entry.key, entry.value, entry.terms)):
                    return False
                self._promote(entry, entry.value)
                return True
        return False

    def _promote(self, entry: Entry, value: bytes | Packed) -> None:
        self._l2_counts.promotions += 1
        self.held.promote(entry, value)

    def _evict(self) -> tuple[Entry, Tier]:
        """Evict the victim of L2's policy; returns it, and the tier that it was in."""
        entry, tier = self.held.evict()
        self._l2_counts.evictions += 1  # by tier of the policy that chose it
        self._leave(entry)
        return entry, tier

    def _resize(self) -> None:
        self.held.ready.resize(self.l1.max_entries)
        self.held.order.resize(self.l1.max_entries + self.l2.max_entries)

    # ---- compression

    def _pack(self, entry: Entry, value: bytes) -> None:
        """Compress an entry that came to L2; a large value in a thread, after it came."""
        if self._config.tiers.l2.compression != "zstd":
            return
        if len(value) <= LOOP_BYTES:
            self.held.repack(entry, pack(value))
        elif len(self._packing) < MAX_PACKING and self._spare.take(PACKING_COPIES * len(value)):
            task = asyncio.get_running_loop().create_task(self._pack_large(entry, value))
            self._packing.add(task)
            task.add_done_callback(self._packing.discard)

    async def _pack_large(self, entry: Entry, value: bytes) -> None:
        try:
            packed = await pack_aside(value)
        finally:
            self._spare.give(PACKING_COPIES * len(value))
        still = self.held.order.get(entry.key) is entry and entry.value is value
        if still and self.held.tier_of(entry.key) is L2:
            self.held.repack(entry, packed)


def _limits(tier: TierConfig) -> tuple[int, int]:
    """The limits of a tier; 0 if it is disabled."""
    return (tier.max_entries, tier.max_bytes) if tier.enabled else (0, 0)


def _policy_of(tier: TierConfig) -> tuple[object, ...]:
    return tier.policy, tier.policy_options
