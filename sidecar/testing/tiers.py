"""The contract of every tier, whatever it stores its entries in.

A tier's tests subclass TierContract and override `make`, which returns a new, empty tier with the
methods of `TierUnderTest`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

import pytest

SEED = 20240624
KEYS = [b"ns/key%d" % number for number in range(40)]


class TierUnderTest(Protocol):
    """A tier with two limits. `put` and `drain` return the evicted keys."""

    def put(self, key: bytes, value: bytes) -> list[bytes]: ...

    def get(self, key: bytes) -> bytes | None: ...

    def delete(self, key: bytes) -> None: ...

    def resize(self, max_entries: int, max_bytes: int) -> None:
        """Set new limits; `drain` enforces them."""

    def change_policy(self, name: str) -> None: ...

    def drain(self) -> list[bytes]:
        """Do all remaining work after a change, slice by slice."""

    @property
    def entries(self) -> int: ...

    @property
    def used_bytes(self) -> int: ...


Make = Callable[[int, int], TierUnderTest]
"""Takes `max_entries` and `max_bytes`."""
AMPLE = 1 << 30


class TierContract:
    """Tests that hold for every tier from `make`."""

    other_policy = "fifo"

    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError

    def test_a_new_tier_is_empty(self, make: Make) -> None:
        tier = make(10, AMPLE)
        assert (tier.entries, tier.used_bytes) == (0, 0)
        assert tier.get(KEYS[0]) is None
        tier.delete(KEYS[0])
        assert tier.drain() == []

    @pytest.mark.parametrize("size", [0, 1, 64, 4096, 1 << 20])
    def test_it_gives_back_what_was_put(self, make: Make, size: int) -> None:
        """Values are equal to the byte, and `used_bytes` is at least their size."""
        tier = make(10, AMPLE)
        value = random.Random(SEED).randbytes(size)
        assert tier.put(KEYS[0], value) == []
        assert tier.get(KEYS[0]) == value
        assert tier.get(KEYS[1]) is None
        assert tier.entries == 1
        assert tier.used_bytes >= len(KEYS[0]) + size

    def test_a_replacement_takes_the_place_of_what_was_there(self, make: Make) -> None:
        """Only the new value counts, in entries and in bytes."""
        tier = make(10, AMPLE)
        tier.put(KEYS[0], b"v" * 100)
        small = tier.used_bytes
        tier.put(KEYS[0], b"w" * 10_000)
        assert (tier.entries, tier.get(KEYS[0])) == (1, b"w" * 10_000)
        tier.put(KEYS[0], b"x" * 100)
        assert (tier.entries, tier.used_bytes, tier.get(KEYS[0])) == (1, small, b"x" * 100)

    def test_deletions_leave_nothing_behind(self, make: Make) -> None:
        tier = make(100, AMPLE)
        for key in KEYS:
            tier.put(key, key)
        for key in KEYS:
            tier.delete(key)
            assert tier.get(key) is None
        assert (tier.entries, tier.used_bytes) == (0, 0)

    def test_it_is_never_over_its_entries(self, make: Make) -> None:
        """Held and evicted keys together are the keys that were put, each once."""
        tier = make(10, AMPLE)
        gone: list[bytes] = []
        for number, key in enumerate(KEYS):
            gone += tier.put(key, b"%d" % number)
            assert tier.entries <= 10
        held = [key for key in KEYS if tier.get(key) is not None]
        assert len(held) == tier.entries == 10
        assert sorted(held + gone) == sorted(KEYS)
        assert all(tier.get(key) == b"%d" % KEYS.index(key) for key in held)

    def test_it_is_never_over_its_bytes(self, make: Make) -> None:
        """Values of all sizes are put, replaced and deleted."""
        rng = random.Random(SEED)
        limit = 64 << 10
        tier = make(1000, limit)
        held: dict[bytes, bytes] = {}
        for _ in range(600):
            key = rng.choice(KEYS)
            if rng.random() < 0.1:
                tier.delete(key)
                held.pop(key, None)
            else:
                held[key] = rng.randbytes(rng.choice([0, 10, 300, 5_000, 20_000]))
                for victim in tier.put(key, held[key]):
                    held.pop(victim, None)
            assert tier.used_bytes <= limit, f"seed {SEED}"
            assert tier.entries == len(held)
        assert len(held) > 1
        assert all(tier.get(key) == value for key, value in held.items())

    def test_a_value_that_is_too_large_is_not_taken(self, make: Make) -> None:
        """The version that it replaces is removed, and no other entry leaves."""
        tier = make(10, 64 << 10)
        tier.put(KEYS[0], b"small")
        tier.put(KEYS[1], b"another")
        before = tier.used_bytes
        tier.put(KEYS[0], bytes(64 << 10))
        assert tier.get(KEYS[0]) is None
        assert tier.get(KEYS[1]) == b"another"
        assert tier.entries == 1
        assert tier.used_bytes < before

    def test_a_tier_without_room_holds_nothing(self, make: Make) -> None:
        tier = make(0, 0)
        tier.put(KEYS[0], b"value")
        assert tier.get(KEYS[0]) is None
        assert (tier.entries, tier.used_bytes) == (0, 0)

    @pytest.mark.parametrize(("entries", "size"), [(7, AMPLE), (1000, 20_000), (0, 0)])
    def test_a_smaller_tier_keeps_what_fits(self, make: Make, entries: int, size: int) -> None:
        """It works under the new limits; a larger tier then holds more again."""
        tier = make(1000, AMPLE)
        for key in KEYS:
            tier.put(key, key * 100)
        tier.resize(entries, size)
        gone = tier.drain()
        assert tier.entries <= entries
        assert tier.used_bytes <= size
        held = {key for key in KEYS if tier.get(key) is not None}
        assert (len(held), held | set(gone)) == (tier.entries, set(KEYS))
        if entries:
            assert held
        for key in KEYS:
            tier.put(key, b"later")
            assert tier.entries <= entries
            assert tier.used_bytes <= size
        tier.resize(1000, AMPLE)
        tier.drain()
        for key in KEYS:
            assert tier.put(key, b"again") == []
        assert tier.entries == len(KEYS)

    def test_a_change_of_policy_drops_nothing(self, make: Make) -> None:
        """No entry is lost during the change or after it, and the limits always hold."""
        tier = make(len(KEYS), AMPLE)
        for key in KEYS:
            tier.put(key, key)
        tier.change_policy(self.other_policy)
        assert all(tier.get(key) == key for key in KEYS)
        assert len(tier.put(b"ns/new", b"new")) == 1
        assert tier.drain() == []
        assert tier.entries == len(KEYS)
        assert sum(tier.get(key) == key for key in KEYS) >= len(KEYS) - 1
