"""The contract of tiers for memory, under every policy."""

from __future__ import annotations

import math
import random

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.model.entry import Entry
from sidecar.policies.protocol import Policy
from sidecar.testing.tiers import AMPLE, SEED, Make, TierContract
from sidecar.tiers.memory import EVICT_AT_ONCE, MemoryTier


class InMemory:
    """A MemoryTier adapted to the contract."""

    def __init__(self, policy: str, max_entries: int, max_bytes: int) -> None:
        self.tier = MemoryTier(self._policy(policy, max_entries), max_entries, max_bytes)

    def put(self, key: bytes, value: bytes) -> list[bytes]:
        left = self.tier.put(an_entry(key, value))
        return [entry.key for entry in left]

    def get(self, key: bytes) -> bytes | None:
        entry = self.tier.entries.get(key)
        if entry is None:
            return None
        self.tier.policy.hit(key)
        return entry.value

    def delete(self, key: bytes) -> None:
        self.tier.pop(key)

    def resize(self, max_entries: int, max_bytes: int) -> None:
        self.tier.resize(max_entries, max_bytes)

    def change_policy(self, name: str) -> None:
        self.tier.change_policy(self._policy(name, self.tier.max_entries))

    def drain(self) -> list[bytes]:
        gone = []
        while not self.tier.migrate() or self.tier.over:
            gone += self.tier.evict()
        return [entry.key for entry in gone]

    @property
    def entries(self) -> int:
        return len(self.tier)

    @property
    def used_bytes(self) -> int:
        return self.tier.used_bytes

    def _policy(self, name: str, max_entries: int) -> Policy:
        return CATALOGUE.policies.make(name, max_entries, rng=random.Random(SEED))


def an_entry(key: bytes, value: bytes) -> Entry:
    return Entry(
        key=key,
        value=value,
        size=len(value),
        content_type="text/plain",
        seq=1,
        created_at=0.0,
        expires_at=math.inf,
    )


@pytest.mark.parametrize("policy", sorted(CATALOGUE.policies))
class TestMemory(TierContract):
    @pytest.fixture
    def make(self, policy: str) -> Make:
        return lambda max_entries, max_bytes: InMemory(policy, max_entries, max_bytes)


def test_a_shrink_goes_in_slices() -> None:
    """One call evicts a limited number, so that the event loop is not blocked."""
    tier = InMemory("lru", 1000, AMPLE)
    for number in range(1000):
        tier.put(b"%d" % number, b"")
    tier.resize(10, AMPLE)
    assert len(tier.tier.evict()) == EVICT_AT_ONCE
    assert tier.tier.over


def test_a_repacked_entry_counts_for_what_it_is_now() -> None:
    tier = InMemory("lru", 10, AMPLE)
    tier.put(b"key", b"")
    empty = tier.used_bytes
    entry = tier.tier.entries[b"key"]
    tier.tier.repack(entry, bytes(10_000))
    assert tier.used_bytes >= empty + 10_000
    tier.tier.repack(entry, b"")
    assert tier.used_bytes == empty
