"""L1 over L2: promotion and demotion between them, and eviction from memory.

An entry is in at most one of them. Entries evicted from L1 are demoted to L2, compressed if that
saves space; entries hit often enough in L2 are promoted to L1; entries evicted from L2 leave
memory, and the store decides whether to write them to L3. Only `_pack_large` awaits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.config.values import CacheConfig, TierConfig
from sidecar.model.clock import Clock
from sidecar.model.entry import L1, L2, L3, UNUSED, Entry, Tier
from sidecar.model.invalidations import Invalidations
from sidecar.model.life import is_expired
from sidecar.model.stats import StoreStats
from sidecar.policies.protocol import Policy
from sidecar.tiers.memory import MemoryTier
from sidecar.tiers.packing import LEAST_BYTES, LOOP_BYTES, pack, pack_aside

MAX_PACKING = 8
"""The most large values packed in threads at a time; further ones stay unpacked."""

PolicyFactory = Callable[[TierConfig], Policy]


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
        self.l1 = MemoryTier(make_policy(config.tiers.l1), *_limits(config.tiers.l1))
        self.l2 = MemoryTier(make_policy(config.tiers.l2), *_limits(config.tiers.l2))
        self.tiers: tuple[tuple[Tier, MemoryTier], ...] = ((L1, self.l1), (L2, self.l2))
        """The tiers in lookup order. The code of every request uses the fields instead: a loop over
        two tiers takes longer than the lookup.
        """
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
        return self.l1.entries.get(key) or self.l2.entries.get(key)

    def invalidated(self, entry: Entry) -> bool:
        return self._invalidations.any and self._invalidations.covers(entry.key, entry.seq)

    def dead(self, entry: Entry) -> bool:
        return is_expired(entry.expires_at, self._clock()) or self.invalidated(entry)

    # ---- put, use, remove

    def put(self, entry: Entry) -> None:
        """Add an entry to L1."""
        self.l2.pop(entry.key)
        victims = self.l1.put(entry)
        if victims:
            self._leave_l1(victims)

    def bring(self, entry: Entry) -> None:
        """Add an entry from L3 to L2, or to L1 if L2 is disabled."""
        if self._config.tiers.l2.enabled:
            self._into_l2(entry)
        else:
            self._leave_l1(self.l1.put(entry))

    def use(self, entry: Entry, tier: Tier, value: bytes) -> None:
        """Record a hit, for the policy and for promotion; `value` is the entry's value as put."""
        if entry.on_disk == UNUSED:
            entry.on_disk = 0
        if tier is L1:
            self.l1.policy.hit(entry.key)
            return
        entry.hits += 1
        if entry.hits < self._config.promote_after or not self._config.tiers.l1.enabled:
            self.l2.policy.hit(entry.key)
            return
        self._l2_counts.promotions += 1
        self.l2.pop(entry.key)
        entry.value = value
        self._leave_l1(self.l1.put(entry))

    def pop(self, key: bytes) -> None:
        """Remove it from the tier that has it; not counted as an eviction."""
        self.l1.pop(key)
        self.l2.pop(key)

    def expire(self, entry: Entry, tier: Tier) -> None:
        """Remove an entry that a lookup found expired."""
        if tier is not L3:
            self._stats.tiers[tier].expirations += 1
            (self.l1 if tier is L1 else self.l2).pop(entry.key)

    # ---- a new configuration, and background work

    def apply(self, config: CacheConfig) -> None:
        """Use another configuration from the next operation on; `drain` adapts the tiers to it."""
        old, self._config = self._config, config
        for tier, memory in self.tiers:
            was, now = old.tiers.of(tier), config.tiers.of(tier)
            memory.resize(*_limits(now))
            if (was.policy, was.policy_options) != (now.policy, now.policy_options):
                memory.change_policy(self._make_policy(now))

    def drain(self) -> bool:
        """One slice of shrinking and of changing policies; True when done."""
        migrated = self.l1.migrate() & self.l2.migrate()
        self._leave_l1(self.l1.evict())
        self._leave_l2(self.l2.evict())
        return migrated and not self.l1.over and not self.l2.over

    def sweep(self, keys: list[bytes]) -> None:
        """Remove those of `keys` that have expired or were invalidated."""
        now = self._clock()
        for tier, memory in self.tiers:
            counts = self._stats.tiers[tier]
            for key in keys:
                entry = memory.entries.get(key)
                if entry is None:
                    continue
                if is_expired(entry.expires_at, now):
                    counts.expirations += 1
                    memory.pop(key)
                elif self.invalidated(entry):
                    memory.pop(key)

    # ---- eviction

    def _leave_l1(self, victims: list[Entry]) -> None:
        for entry in victims:
            self._l1_counts.evictions += 1
            if self.dead(entry):
                continue
            if self._config.tiers.l2.enabled:
                self._l1_counts.demotions += 1
                self._into_l2(entry)
            else:
                self._leave(entry)

    def _into_l2(self, entry: Entry) -> None:
        entry.hits = 0
        if (
            entry.size >= LEAST_BYTES
            and not entry.packed
            and self._config.tiers.l2.compression == "zstd"
        ):
            self._pack(entry)
        victims = self.l2.put(entry)
        if victims:
            self._leave_l2(victims)

    def _leave_l2(self, victims: list[Entry]) -> None:
        for entry in victims:
            self._l2_counts.evictions += 1
            self._leave(entry)

    def _pack(self, entry: Entry) -> None:
        """Compress an entry demoted to L2; a large value in a thread, after it was demoted."""
        if entry.size <= LOOP_BYTES:
            entry.value = pack(entry.value)
        elif len(self._packing) < MAX_PACKING:
            task = asyncio.get_running_loop().create_task(self._pack_large(entry))
            self._packing.add(task)
            task.add_done_callback(self._packing.discard)

    async def _pack_large(self, entry: Entry) -> None:
        value = entry.value
        packed = await pack_aside(value)
        if self.l2.entries.get(entry.key) is entry and entry.value is value:
            self.l2.repack(entry, packed)


def _limits(tier: TierConfig) -> tuple[int, int]:
    """The limits of a tier; 0 if it is disabled."""
    return (tier.max_entries, tier.max_bytes) if tier.enabled else (0, 0)
