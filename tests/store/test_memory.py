"""The tiers in memory: each alone under the contract of tiers, and both under one policy.

One file of more than 300 lines, since both are about the same two limits.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.cli.simulate import run as simulated
from sidecar.config.values import CacheConfig, MemoryTierConfig, TierConfig, TiersConfig
from sidecar.model.entry import L1, L2, Entry, Packed, Tier
from sidecar.model.invalidations import Invalidations
from sidecar.model.stats import StoreStats
from sidecar.model.tags import Tags
from sidecar.policies.protocol import Policy
from sidecar.serving.budget import Budget
from sidecar.store.memory import MOVES_AT_ONCE, MemoryTiers
from sidecar.testing.tiers import AMPLE, SEED, Make, TierContract
from sidecar.testing.traces import zipf
from sidecar.tiers.memory import cost_of
from sidecar.tiers.packing import pack

OFF = MemoryTierConfig(enabled=False, policy="lru", max_entries=100, max_bytes=AMPLE)


def make_policy(tier: TierConfig) -> Policy[Any]:
    return CATALOGUE.policies.make(
        tier.policy, tier.max_entries, rng=random.Random(SEED), **tier.policy_options
    )


class InMemory:
    """The tiers in memory, adapted to the contract of one tier."""

    def __init__(self, l1: MemoryTierConfig, l2: MemoryTierConfig, promote_after: int = 2) -> None:
        self._gone: list[bytes] = []
        self.stats = StoreStats()
        self.config = CacheConfig(promote_after=promote_after)
        self.config = self._configured(l1, l2)
        self.tiers = MemoryTiers(
            lambda: 0.0,
            self.config,
            make_policy,
            invalidations=Invalidations(),
            tags=Tags(),
            stats=self.stats,
            leave=lambda entry: self._gone.append(entry.key),
            redate=lambda entry: entry,
            spare=Budget(),
        )

    def put(self, key: bytes, value: bytes = b"") -> list[bytes]:
        self.tiers.put(an_entry(key, value))
        return self._left()

    def bring(self, key: bytes, value: bytes = b"") -> list[bytes]:
        self.tiers.bring(an_entry(key, value))
        return self._left()

    def get(self, key: bytes) -> bytes | None:
        entry = self.tiers.find(key)
        if entry is None:
            return None
        assert isinstance(entry.value, bytes)
        self.tiers.use(entry, entry.value)
        return entry.value

    def delete(self, key: bytes) -> None:
        self.tiers.pop(key)

    def configure(self, l1: MemoryTierConfig, l2: MemoryTierConfig) -> None:
        self.config = self._configured(l1, l2)
        self.tiers.apply(self.config)

    def drain(self) -> list[bytes]:
        while not self.tiers.drain():
            pass
        return self._left()

    def keys(self, tier: Tier) -> set[bytes]:
        return set(self.tiers.held.entries(tier))

    @property
    def entries(self) -> int:
        return len(self.tiers.l1) + len(self.tiers.l2)

    @property
    def used_bytes(self) -> int:
        return self.tiers.l1.used_bytes + self.tiers.l2.used_bytes

    def _configured(self, l1: MemoryTierConfig, l2: MemoryTierConfig) -> CacheConfig:
        tiers = TiersConfig(l1=l1, l2=replace(l2, compression="none"))
        return replace(self.config, tiers=tiers)

    def _left(self) -> list[bytes]:
        gone, self._gone = self._gone, []
        return gone


class Alone(InMemory):
    """One tier with the other disabled."""

    def __init__(self, tier: Tier, policy: str, max_entries: int, max_bytes: int) -> None:
        self._tier = tier
        self._on = MemoryTierConfig(policy=policy, max_entries=max_entries, max_bytes=max_bytes)
        super().__init__(*self._both())

    def resize(self, max_entries: int, max_bytes: int) -> None:
        self._on = replace(self._on, max_entries=max_entries, max_bytes=max_bytes)
        self.configure(*self._both())

    def change_policy(self, name: str) -> None:
        self._on = replace(self._on, policy=name)
        self.configure(*self._both())

    def _both(self) -> tuple[MemoryTierConfig, MemoryTierConfig]:
        return (self._on, OFF) if self._tier is L1 else (OFF, self._on)


def an_entry(key: bytes, value: bytes) -> Entry:
    return Entry(
        key=key,
        value=value,
        content_type="text/plain",
        seq=1,
        times=complex(0.0, math.inf),
    )


@pytest.mark.parametrize("tier", [L1, L2])
@pytest.mark.parametrize("policy", sorted(CATALOGUE.policies))
class TestMemory(TierContract):
    @pytest.fixture
    def make(self, policy: str, tier: Tier) -> Make:
        return lambda max_entries, max_bytes: Alone(tier, policy, max_entries, max_bytes)


def tier(policy: str, max_entries: int, max_bytes: int = AMPLE) -> MemoryTierConfig:
    return MemoryTierConfig(policy=policy, max_entries=max_entries, max_bytes=max_bytes)


def letters(word: str) -> Iterator[bytes]:
    return (letter.encode() for letter in word)


def filled(l1: MemoryTierConfig, l2: MemoryTierConfig, word: str) -> InMemory:
    memory = InMemory(l1, l2)
    for key in letters(word):
        memory.put(key)
    return memory


def test_a_shrink_goes_in_slices() -> None:
    """One call evicts a limited number, so that the event loop is not blocked."""
    memory = Alone(L2, "lru", 1000, AMPLE)
    for number in range(1000):
        memory.put(b"%d" % number)
    memory.resize(10, AMPLE)
    assert not memory.tiers.drain()
    assert memory.entries == 1000 - MOVES_AT_ONCE


def test_a_repacked_entry_counts_for_what_it_is_now() -> None:
    memory = Alone(L2, "lru", 10, AMPLE)
    memory.put(b"key")
    empty = memory.used_bytes
    held = memory.tiers.held
    entry = held.entries(L2)[b"key"]
    held.repack(entry, bytes(10_000))
    assert memory.used_bytes >= empty + 10_000
    held.repack(entry, b"")
    assert memory.used_bytes == empty


@pytest.mark.parametrize("promote_after", [1, 2, 1000])
@pytest.mark.parametrize("ready", ["lru", "sieve", "random", "ttl"])
@pytest.mark.parametrize("policy", sorted(CATALOGUE.policies))
def test_the_hit_ratio_is_that_of_one_policy_over_both_tiers(
    policy: str, ready: str, promote_after: int
) -> None:
    """Whatever L1's policy keeps ready, every victim is the one of L2's policy over all entries."""
    trace = zipf(29, requests=8_000, keys=900)
    memory = InMemory(tier(ready, 10), tier(policy, 100), promote_after)
    hits = 0
    for key in trace:
        if memory.get(key) is None:
            memory.put(key)
        else:
            hits += 1
    expected = simulated(make_policy(tier(policy, 110)), 110, trace)
    assert hits == expected.hits
    assert memory.entries == 110


def test_a_rise_and_a_fall_change_nothing_for_the_policy_of_l2() -> None:
    """FIFO evicts A, the oldest, although it was promoted and has fallen again since."""
    memory = filled(tier("lru", 1), tier("fifo", 3), "ABCD")
    for key in letters("AABB"):
        memory.get(key)
    assert (memory.keys(L1), memory.keys(L2)) == ({b"B"}, {b"A", b"C", b"D"})
    assert memory.put(b"E") == [b"A"]


def test_a_victim_in_l1_leaves_and_nothing_falls() -> None:
    """L1 keeps A, since it was read last; for FIFO it is the oldest all the same."""
    memory = filled(tier("lru", 2), tier("fifo", 2), "ABCD")
    for key in letters("AA"):
        memory.get(key)
    assert (memory.keys(L1), memory.keys(L2)) == ({b"A", b"D"}, {b"B", b"C"})
    demotions = memory.stats.tiers[L1].demotions
    assert memory.put(b"E") == [b"A"]
    assert (memory.keys(L1), memory.keys(L2)) == ({b"D", b"E"}, {b"B", b"C"})
    assert memory.stats.tiers[L1].demotions == demotions


def test_what_comes_from_l3_rises_when_l2_is_full_and_l1_is_not() -> None:
    """Memory is full only when both tiers are."""
    memory = InMemory(tier("lru", 2), tier("lru", 2))
    assert [memory.bring(key) for key in letters("ABCD")] == [[], [], [], []]
    assert (memory.keys(L1), memory.keys(L2)) == ({b"C", b"D"}, {b"A", b"B"})
    assert memory.bring(b"E") == [b"A"]


def test_what_comes_from_l3_rises_into_the_place_of_a_victim_in_l1() -> None:
    """A is the oldest and in L1; E comes to L2, which is full, and takes A's place in L1."""
    memory = filled(tier("lru", 2), tier("fifo", 2), "ABCD")
    for key in letters("AA"):
        memory.get(key)
    assert memory.bring(b"E") == [b"A"]
    assert (memory.keys(L1), memory.keys(L2)) == ({b"D", b"E"}, {b"B", b"C"})


@pytest.mark.parametrize(
    ("smaller", "left"),
    [(tier("fifo", 1), "DEFGH"), (replace(tier("fifo", 4), enabled=False), "EFGH")],
)
def test_a_smaller_l2_does_not_empty_l1(smaller: MemoryTierConfig, left: str) -> None:
    """The oldest four entries are in L1: they leave, and those of L2 take their places."""
    memory = filled(tier("lru", 4), tier("fifo", 4), "ABCDEFGH")
    for key in letters("AABBCCDD"):
        memory.get(key)
    assert memory.keys(L1) == set(letters("ABCD"))
    memory.configure(tier("lru", 4), smaller)
    memory.drain()
    assert memory.keys(L1) | memory.keys(L2) == set(letters(left))
    assert len(memory.tiers.l1) == 4


@pytest.mark.parametrize("policy", ["fifo", "lfu", "lru", "sieve", "ttl"])
@pytest.mark.parametrize("room", [10, 40])
def test_a_shrink_keeps_what_the_policy_of_l2_would_evict_last(policy: str, room: int) -> None:
    """Whichever tier it is in, and whether or not L1 has space."""
    memory = InMemory(tier("lru", 10), tier(policy, 200), promote_after=1)
    for key in zipf(31, requests=4_000, keys=400):
        if memory.get(key) is None:
            memory.put(key)
    memory.configure(tier("lru", room), tier(policy, 50))
    order = [entry.key for entry in memory.tiers.held.order]
    memory.drain()
    assert memory.keys(L1) | memory.keys(L2) == set(order[-room - 50 :])
    assert len(memory.tiers.l1) == room


def test_puts_while_l2_shrinks_leave_l1_within_its_limits() -> None:
    """Each put may evict from L2 alone, which is far over."""
    memory = InMemory(tier("lru", 100), tier("lru", 20_000))
    for number in range(20_100):
        memory.put(b"%d" % number)
    memory.configure(tier("lru", 100), tier("lru", 10))
    for number in range(200):
        memory.put(b"new:%d" % number)
        assert not memory.tiers.l1.over


def test_a_value_that_came_to_l1_packed_stays_so_if_it_would_not_fit() -> None:
    """Its first hit evicts nobody."""
    memory = InMemory(tier("lru", 99, max_bytes=30_000), OFF)
    for key in letters("ABC"):
        memory.put(key)
    packed = pack(bytes(100_000))
    assert isinstance(packed, Packed)
    entry = an_entry(b"D", b"")
    entry.value = packed
    memory.tiers.bring(entry)
    memory.tiers.use(entry, bytes(100_000))
    assert memory.keys(L1) == set(letters("ABCD"))


def test_a_value_too_large_for_the_only_tier_is_in_none() -> None:
    """The version that it replaces leaves, and nothing counts as evicted."""
    memory = InMemory(tier("lru", 9, max_bytes=10_000), OFF)
    memory.put(b"A")
    assert memory.put(b"A", bytes(20_000)) == []
    assert memory.entries == 0
    assert memory.stats.tiers[L2].evictions == 0


@pytest.mark.parametrize("after", ["fifo", "lfu", "lru", "s3fifo", "sieve", "ttl"])
@pytest.mark.parametrize("before", ["lfu", "lru", "sieve"])
def test_a_change_of_policy_evicts_no_key_that_is_read(before: str, after: str) -> None:
    """Neither before its first slice nor later: those that were evicted next are again."""
    memory = InMemory(tier("lru", 50), tier(before, 450), promote_after=1)
    hot = [b"hot:%d" % number for number in range(40)]
    for number in range(460):
        memory.put(b"cold:%d" % number)
    for key in hot:
        memory.put(key)
    for key in hot * 5:
        assert memory.get(key) is not None
    memory.configure(tier("lru", 50), tier(after, 450))
    for number in range(100):
        assert all(memory.get(key) is not None for key in hot)
        memory.put(b"new:%d" % number)
        if number > 20:
            memory.tiers.drain()
    assert all(memory.get(key) is not None for key in hot)


def test_l2_shrunk_to_its_last_entry_keeps_l1_of_any_size() -> None:
    memory = filled(tier("lru", 100), tier("lru", 1000), "")
    for number in range(1100):
        memory.put(b"%d" % number)
    memory.get(b"0")
    memory.configure(tier("lru", 100), tier("lru", 1))
    memory.drain()
    assert (len(memory.tiers.l1), len(memory.tiers.l2)) == (100, 1)


def test_a_value_too_large_for_l2_leaves_when_it_falls() -> None:
    """Nothing else leaves for it."""
    large = cost_of(b"A", bytes(5_000))
    memory = InMemory(tier("lru", 2), tier("lru", 9, max_bytes=large))
    memory.put(b"B")
    memory.put(b"A", bytes(5_000))
    memory.get(b"B")
    assert memory.put(b"C") == [b"A"]
    assert (memory.keys(L1), memory.keys(L2)) == ({b"B", b"C"}, set())


@pytest.mark.parametrize(("ready", "order"), list(product(sorted(CATALOGUE.policies), repeat=2)))
def test_no_tier_is_over_after_any_operation(ready: str, order: str) -> None:
    """Values of all sizes come, are read, replaced and deleted, under every pair of policies."""
    rng = random.Random(SEED)
    memory = InMemory(tier(ready, 12, 40_000), tier(order, 50, 90_000))
    keys = [b"%d" % number for number in range(120)]
    for _ in range(1_500):
        key = rng.choice(keys)
        match rng.randrange(8):
            case 0:
                memory.delete(key)
            case 1:
                memory.bring(key, rng.randbytes(rng.choice([0, 10, 300, 3_000, 20_000])))
            case 2 | 3:
                memory.put(key, rng.randbytes(rng.choice([0, 10, 300, 3_000, 20_000])))
            case _:
                memory.get(key)
        for room, held in ((memory.tiers.l1, L1), (memory.tiers.l2, L2)):
            assert not room.over, f"seed {SEED}"
            entries = memory.tiers.held.entries(held)
            assert len(room) == len(entries)
    assert memory.tiers.l1.used_bytes + memory.tiers.l2.used_bytes > 60_000
