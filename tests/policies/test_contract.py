"""The contract of policies, for all policies that are shipped."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.policies.protocol import MOST_STEPS
from sidecar.policies.spec import PolicySpec
from sidecar.testing.policies import PolicyContract
from sidecar.testing.traces import Keyed, insert, replay, zipf


class TestBuiltIn(PolicyContract):
    """Every policy of the catalogue."""

    @pytest.fixture(scope="class", params=sorted(CATALOGUE.policies))
    @classmethod
    def spec(cls, request: pytest.FixtureRequest) -> PolicySpec:
        return CATALOGUE.policies[request.param]


@pytest.mark.parametrize("after", sorted(CATALOGUE.policies))
@pytest.mark.parametrize("before", sorted(CATALOGUE.policies))
def test_a_change_of_policy_keeps_every_key(before: str, after: str) -> None:
    """The new policy has all keys, inserted in the old order, and works from there."""
    old = Keyed(CATALOGUE.policies.make(before, 64, rng=Random(1)))
    new = Keyed(CATALOGUE.policies.make(after, 64, rng=Random(2)))
    replay(old, zipf(13, requests=2_000, keys=200), entries=64)
    insert(new, old)
    assert sorted(new) == sorted(old)
    replay(new, zipf(14, requests=2_000, keys=200), entries=64)
    assert len(new) == 64


@pytest.mark.parametrize("after", ["fifo", "lru", "sieve", "ttl"])
@pytest.mark.parametrize("before", ["fifo", "lfu", "lru", "sieve", "ttl"])
def test_a_change_of_policy_keeps_the_order_of_leaving(before: str, after: str) -> None:
    """The next victims of the old policy are the first victims of the new one."""
    old = Keyed(CATALOGUE.policies.make(before, 64, rng=Random(1)))
    new = Keyed(CATALOGUE.policies.make(after, 64, rng=Random(2)))
    replay(old, zipf(13, requests=2_000, keys=200), entries=64)
    insert(new, old)
    assert [new.evict() for _ in range(64)] == [old.evict() for _ in range(64)]


@pytest.mark.parametrize("name", ["fifo", "lfu", "lru", "sieve", "ttl"])
@pytest.mark.parametrize("seed", range(5))
def test_iteration_foretells_eviction(name: str, seed: int) -> None:
    """If the order is known exactly, `iter` has the order of `evict`."""
    policy = Keyed(CATALOGUE.policies.make(name, 64, rng=Random(1)))
    trace = zipf(seed, requests=1_000 + seed, keys=200)
    replay(policy, trace, entries=64)
    assert list(policy) == [policy.evict() for _ in range(64)]


@pytest.mark.parametrize("name", sorted(CATALOGUE.policies))
def test_keys_are_not_listed_in_the_order_of_a_queue(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """All are listed at once, and the iterator of an OrderedDict looks each of them up."""
    is_listing = False

    class Queue(OrderedDict[Any, Any]):
        def __iter__(self) -> Iterator[Any]:
            assert not is_listing
            return super().__iter__()

        def keys(self) -> Any:
            assert not is_listing
            return super().keys()

    module = sys.modules[type(CATALOGUE.policies.make(name, 64, rng=Random(1))).__module__]
    monkeypatch.setattr(module, "OrderedDict", Queue, raising=False)
    policy = Keyed(CATALOGUE.policies.make(name, 64, rng=Random(1)))
    replay(policy, zipf(13, requests=2_000, keys=200), entries=64)
    is_listing = True
    assert len(list(policy.policy.keys())) == 64


@pytest.mark.parametrize("name", sorted(CATALOGUE.policies))
def test_no_eviction_passes_over_all_keys(name: str) -> None:
    """Whatever was used before it: the event loop waits for each."""
    policy = Keyed(CATALOGUE.policies.make(name, 8 * MOST_STEPS, rng=Random(1)))
    for key in range(8 * MOST_STEPS):
        policy.insert(b"%d" % key)
    for _ in range(4):
        for key in range(8 * MOST_STEPS):
            policy.hit(b"%d" % key)
    lines = 0

    def count(_frame: object, event: str, _argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        for _ in range(3):
            policy.evict()
    finally:
        sys.settrace(before)
    assert lines < 3 * 16 * MOST_STEPS
    assert len(policy) == 8 * MOST_STEPS - 3
