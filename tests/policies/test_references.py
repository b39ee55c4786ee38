"""Every exact policy against a reference so simple that it is obviously correct.

The references follow the papers: on a miss an entry is evicted, then the key is inserted. Our
policies insert the key first and evict afterwards, so agreement on every request also shows that
this makes no difference.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.catalogue import CATALOGUE
from sidecar.policies.protocol import NEVER
from sidecar.policies.ttl import Ttl
from sidecar.testing.traces import Keyed, insert, replay, zipf


class Reference(Protocol):
    def get(self, key: bytes) -> bool:
        """Read the key, which is there afterwards; returns whether it was there before."""

    def remove(self, key: bytes) -> None:
        """Delete the key, which must be there."""


class NaiveFifo:
    def __init__(self, entries: int) -> None:
        self.entries = entries
        self.keys: list[bytes] = []

    def get(self, key: bytes) -> bool:
        if key in self.keys:
            self.touch(key)
            return True
        if len(self.keys) == self.entries:
            self.keys.pop(0)
        self.keys.append(key)
        return False

    def touch(self, key: bytes) -> None:
        pass

    def remove(self, key: bytes) -> None:
        self.keys.remove(key)


class NaiveLru(NaiveFifo):
    def touch(self, key: bytes) -> None:
        self.keys.remove(key)
        self.keys.append(key)


class NaiveLfu:
    def __init__(self, entries: int) -> None:
        self.entries = entries
        self.now = 0
        self.uses: dict[bytes, tuple[int, int]] = {}  # key -> (count, time of the last use)

    def get(self, key: bytes) -> bool:
        self.now += 1
        hit = key in self.uses
        if not hit and len(self.uses) == self.entries:
            del self.uses[min(self.uses, key=lambda other: self.uses[other])]
        count, _ = self.uses.get(key, (0, 0))
        self.uses[key] = (count + 1, self.now)
        return hit

    def remove(self, key: bytes) -> None:
        del self.uses[key]


class NaiveSieve:
    """The paper's figure: a list from the oldest key to the newest, marks, and a hand."""

    def __init__(self, entries: int) -> None:
        self.entries = entries
        self.keys: list[bytes] = []
        self.visited: set[bytes] = set()
        self.hand = 0

    def get(self, key: bytes) -> bool:
        if key in self.keys:
            self.visited.add(key)
            return True
        if len(self.keys) == self.entries:
            while self.keys[self.hand] in self.visited:
                self.visited.remove(self.keys[self.hand])
                self.hand = (self.hand + 1) % len(self.keys)
            self.remove(self.keys[self.hand])
        self.keys.append(key)
        return False

    def remove(self, key: bytes) -> None:
        place = self.keys.index(key)
        del self.keys[place]
        self.visited.discard(key)
        if place < self.hand:
            self.hand -= 1
        if self.hand == len(self.keys):
            self.hand = 0


REFERENCES: dict[str, Callable[[int], Reference]] = {
    "fifo": NaiveFifo,
    "lru": NaiveLru,
    "lfu": NaiveLfu,
    "sieve": NaiveSieve,
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("entries", [1, 2, 10, 60])
@pytest.mark.parametrize("name", REFERENCES)
def test_every_request_of_a_zipf_trace_is_answered_as_by_the_reference(
    name: str, entries: int, seed: int
) -> None:
    """Every hit and miss is the same, not only their sums."""
    trace = zipf(seed, requests=6_000, keys=300)
    reference = REFERENCES[name](entries)
    expected = "".join("h" if reference.get(key) else "m" for key in trace)
    assert (
        replay(Keyed(CATALOGUE.policies.make(name, entries, rng=Random(seed))), trace, entries)
        == expected
    )


@pytest.mark.parametrize("name", REFERENCES)
@given(
    entries=st.integers(1, 6),
    operations=st.lists(st.tuples(st.sampled_from("gggggr"), st.sampled_from(b"ABCDEFGHIJ"))),
)
def test_gets_and_removals_in_any_order_are_answered_as_by_the_reference(
    name: str, entries: int, operations: list[tuple[str, int]]
) -> None:
    """A removal leaves the same order, also that of the key at SIEVE's hand."""
    policy = Keyed(CATALOGUE.policies.make(name, entries, rng=Random(1)))
    reference = REFERENCES[name](entries)
    for operation, letter in operations:
        key = bytes([letter])
        if operation == "g":
            assert (replay(policy, [key], entries) == "h") == reference.get(key)
        elif key in policy:
            policy.remove(key)
            reference.remove(key)


@pytest.mark.parametrize("seed", range(6))
def test_ttl_evicts_as_a_sorted_list_would(seed: int) -> None:
    """Keys with random lifetimes, a third of them infinite, are replaced and removed at random."""
    rng = Random(seed)
    policy = Keyed(Ttl())
    places: dict[bytes, tuple[float, int]] = {}  # key -> (expiry, when it was set)
    for now, key in enumerate(zipf(seed, requests=6_000, keys=300)):
        expires_at = rng.choice((NEVER, float(now + 50), float(now + rng.randrange(1, 500))))
        if key not in places:
            policy.insert(key, expires_at)
            places[key] = (expires_at, now)
        elif rng.random() < 0.3:
            policy.update(key, expires_at)
            places[key] = (expires_at, now)
        elif rng.random() < 0.2:
            policy.remove(key)
            del places[key]
        else:
            policy.hit(key)
        if len(places) > 60:
            nearest = min(places, key=lambda other: places[other])
            assert policy.evict() == nearest
            del places[nearest]
    assert list(policy) == sorted(places, key=lambda other: places[other])


def test_a_policy_that_holds_back_its_newest_key_still_gives_it_up_last() -> None:
    """Drained without insertions, all keys leave, the newest last."""
    for name in ("lfu", "sieve"):
        policy = Keyed(CATALOGUE.policies.make(name, 3, rng=Random(1)))
        insert(policy, [b"A", b"B", b"C"])
        assert [policy.evict() for _ in range(3)] == [b"A", b"B", b"C"]
