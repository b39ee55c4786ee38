"""The contract of every eviction policy, for plugins too.

A plugin's tests subclass PolicyContract and override `spec`:

    class TestMine(PolicyContract):
        @pytest.fixture(scope="class")
        @classmethod
        def spec(cls) -> PolicySpec:
            return mine.SPEC

One file of more than 300 lines, since a suite is one class.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from itertools import count, islice
from random import Random
from types import BuiltinFunctionType, FunctionType, ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.policies.protocol import NEVER, Item, Policy
from sidecar.policies.spec import PolicySpec
from sidecar.testing.traces import Keyed, drain, insert, replay, zipf

Make = Callable[[], Keyed]

KEYS = [b"key:%d" % number for number in range(64)]

operations = st.lists(
    st.tuples(
        st.sampled_from(("insert", "hit", "update", "remove", "evict")),
        st.sampled_from(KEYS[:12]),
        st.sampled_from((1.0, 2.0, 3.0, NEVER)),
    ),
    max_size=200,
)


class PolicyContract:
    """`spec` is the policy's declaration; `make` returns a new, empty policy for 64 entries."""

    @pytest.fixture(scope="class")
    @classmethod
    def spec(cls) -> PolicySpec:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, spec: PolicySpec) -> Make:
        return lambda: Keyed(spec.make(len(KEYS), rng=Random(5)))

    def test_it_is_what_it_declares(self, spec: PolicySpec, make: Make) -> None:
        """Its name is the declared one; the default of each option is within its bounds."""
        assert make().policy.name == spec.name
        assert spec.meaning
        assert all(option.above < option.default < option.below for option in spec.options)
        chosen = {option.name: option.default for option in spec.options}
        assert spec.make(len(KEYS), rng=Random(5), **chosen).name == spec.name

    def test_reads_change_the_order_where_it_says_so(self, spec: PolicySpec, make: Make) -> None:
        """Repeated reads of the first of 64 keys change the order if declared, else nothing."""
        unread, read = make(), make()
        for policy in (unread, read):
            insert(policy, KEYS)
        for _ in range(20):
            read.hit(KEYS[0])
        assert (drain(read) != drain(unread)) == ("reads" in spec.traits)

    def test_expiry_changes_the_order_where_it_says_so(self, spec: PolicySpec, make: Make) -> None:
        """Ascending and descending expiries give different orders if declared, else the same."""
        rising, falling = make(), make()
        for number, key in enumerate(KEYS):
            rising.insert(key, float(number))
            falling.insert(key, float(-number))
        assert (drain(rising) != drain(falling)) == ("expiry" in spec.traits)

    def test_chance_decides_where_it_says_so(self, spec: PolicySpec) -> None:
        """Five generators give different results of 20,000 requests if declared, else the same."""
        trace = zipf(11, requests=20_000, keys=2_000)
        courses = {
            replay(Keyed(spec.make(len(KEYS), rng=Random(seed))), trace, entries=64)
            for seed in range(5)
        }
        assert (len(courses) > 1) == ("chance" in spec.traits)

    def test_it_survives_a_scan_where_it_says_so(self, spec: PolicySpec, make: Make) -> None:
        """Half of 32 frequently read keys remain after 1,000 keys that are read once."""
        policy, often = make(), KEYS[:32]
        for _ in range(10):
            replay(policy, often, entries=64)
        replay(policy, islice(_distinct_keys(), 1_000), entries=64)
        if "scan_resistant" in spec.traits:
            assert sum(key in policy for key in often) >= 16

    def test_a_new_policy_is_empty(self, make: Make) -> None:
        """Its length is 0, and it has no keys and no victim."""
        policy = make()
        assert len(policy) == 0
        assert list(policy) == []
        with pytest.raises(KeyError):
            policy.evict()

    def test_it_holds_what_was_inserted(self, make: Make) -> None:
        """Length, membership and iteration agree on the same keys, each once."""
        policy = make()
        insert(policy, KEYS)
        assert len(policy) == len(KEYS)
        assert sorted(policy) == sorted(policy.policy.keys()) == sorted(KEYS)
        assert all(key in policy for key in KEYS)
        assert b"another" not in policy

    def test_hits_and_updates_change_no_membership(self, make: Make) -> None:
        """A key that is read or replaced any number of times is held once; others do not change."""
        policy = make()
        insert(policy, KEYS)
        for key in KEYS[::3] * 20:
            policy.hit(key)
            policy.update(key, 5.0)
        assert sorted(policy) == sorted(KEYS)

    def test_a_removed_key_is_gone(self, make: Make) -> None:
        """It is not held, is not evicted later, and can be inserted again."""
        policy = make()
        insert(policy, KEYS)
        for key in KEYS[::2]:
            policy.remove(key)
            assert key not in policy
        assert sorted(policy) == sorted(KEYS[1::2])
        insert(policy, KEYS[:1])
        assert sorted(drain(policy)) == sorted([KEYS[0], *KEYS[1::2]])

    def test_removing_a_key_that_is_not_there_is_an_error(self, make: Make) -> None:
        """It raises KeyError, and the policy does not change."""
        policy = make()
        insert(policy, KEYS)
        with pytest.raises(KeyError):
            policy.policy.remove(Item(b"another"))
        assert sorted(policy) == sorted(KEYS)

    def test_a_key_finds_its_node(self, make: Make) -> None:
        """It is the one that was inserted, or the one that replaced it, until the key leaves."""
        policy = make().policy
        old, new = Item(KEYS[0], 5.0), Item(KEYS[0], 9.0)
        policy.insert(old)
        policy.insert(Item(KEYS[1]))
        assert policy.get(KEYS[0]) is old
        policy.hit(old)
        policy.replace(old, new)
        assert policy.get(KEYS[0]) is new
        policy.hit(new)
        assert sum(node is new for node in policy) == 1
        policy.remove(new)
        assert policy.get(KEYS[0]) is None

    def test_eviction_empties_it_one_held_key_at_a_time(self, make: Make) -> None:
        """Every key leaves exactly once; then there is no victim."""
        policy = make()
        insert(policy, KEYS)
        for key in KEYS[::5]:
            policy.hit(key)
        left = set(KEYS)
        while left:
            key = policy.evict()
            assert key not in policy
            left.remove(key)
            assert len(policy) == len(left)
        with pytest.raises(KeyError):
            policy.evict()

    def test_a_cache_of_one_entry_works(self, make: Make) -> None:
        """It holds one key after every request, and a request of that key is a hit."""
        policy = make()
        for key in zipf(7, requests=500, keys=5):
            replay(policy, [key], entries=1)
            (held,) = policy
            assert replay(policy, [held], entries=1) == "h"

    def test_a_change_of_capacity_evicts_nothing(self, make: Make) -> None:
        """The tier requests evictions itself, and the policy works with the new size."""
        policy = make()
        insert(policy, KEYS)
        for capacity in (8, 1_000, 1):
            policy.resize(capacity)
            assert sorted(policy) == sorted(KEYS)
        replay(policy, zipf(3, requests=1_000, keys=100), entries=8)
        assert len(policy) == 8

    @given(operations)
    def test_it_holds_what_a_set_would(
        self, spec: PolicySpec, make: Make, operations: list[tuple[str, bytes, float]]
    ) -> None:
        """After any sequence of operations the keys equal those of a set with the same operations,
        and the policy's own invariants hold.
        """
        policy = make()
        model: set[bytes] = set()
        for operation, key, expires_at in operations:
            if operation == "evict" and model:
                model.remove(policy.evict())
            elif operation == "insert" and key not in model:
                policy.insert(key, expires_at)
                model.add(key)
            elif operation == "update" and key in model:
                policy.update(key, expires_at)
            elif operation == "hit" and key in model:
                policy.hit(key)
            elif operation == "remove" and key in model:
                policy.remove(key)
                model.remove(key)
            assert len(policy) == len(model)
            assert (key in policy) == (key in model)
            policy.check(spec.check)
        assert sorted(policy) == sorted(model)
        assert set(drain(policy)) == model

    def test_equal_histories_have_equal_victims(self, make: Make) -> None:
        """The generator is the only source of randomness, so a run can be repeated."""
        trace = zipf(11, requests=5_000, keys=300)
        assert replay(make(), trace, entries=64) == replay(make(), trace, entries=64)

    def test_memory_does_not_grow_with_keys_that_pass_through(self, make: Make) -> None:
        """64 entries take no more memory after 250,000 distinct keys, some of them read.

        Counted in blocks of memory, since a stored key takes at least one in any form.
        """
        policy, keys = make(), _distinct_keys()
        _pass_through(policy, keys, 20_000)
        before = sys.getallocatedblocks()
        _pass_through(policy, keys, 250_000)
        assert sys.getallocatedblocks() - before < 1_000

    def test_memory_does_not_grow_with_keys_that_come_back(self, make: Make) -> None:
        """200 keys that are evicted and inserted repeatedly take no more memory than once."""
        policy = make()
        for seed in range(5):
            before = sys.getallocatedblocks()
            for key in zipf(seed, requests=20_000, keys=200, skew=0.5):
                replay(policy, [key], entries=64)
        assert sys.getallocatedblocks() - before < 1_000

    def test_memory_does_not_grow_with_replacements_and_removals(self, make: Make) -> None:
        """Keys that are replaced or removed, and never evicted, leave no memory allocated."""
        policy = make()
        insert(policy, KEYS)
        for wanted in (2_000, 100_000):
            before = sys.getallocatedblocks()
            for number in range(wanted):
                key = KEYS[number % len(KEYS)]
                policy.update(key, float(number))
                policy.remove(key)
                policy.insert(key, float(number))
        assert sys.getallocatedblocks() - before < 1_000

    def test_a_key_costs_no_more_than_it_says(self, make: Make) -> None:
        """`overhead_bytes` is the maximum per key under churn, or up to a third more.

        Hash tables are emptiest just above a third of a power of two, and SIEVE's queues and
        S3-FIFO's ghosts have other worst cases. So the maximum is measured repeatedly at three
        sizes.
        """
        declared = make().policy.overhead_bytes
        most = max(
            bytes_a_key
            for entries in (10_950, 12_500, 16_400)
            for bytes_a_key in _bytes_a_key(make(), entries)
        )
        assert 0.75 * declared <= most <= declared


def _bytes_a_key(policy: Keyed, entries: int) -> Iterator[float]:
    """Memory per key while the policy is full and every second request is a hit, if possible."""
    rng = Random(entries)
    keys = [b"key:%d" % number for number in range(4 * entries)]
    for number, key in enumerate(keys):
        policy.insert(key, float(number))
        if number < entries:
            continue
        policy.evict()
        other = keys[number - rng.randrange(entries)]
        if other in policy:
            policy.hit(other)
            policy.update(other, float(number))
        if not number % (entries // 4):
            yield _size_of(policy.policy) / entries


def _size_of(policy: Policy[Item]) -> int:
    """Bytes of all objects that the policy refers to, as the allocator rounds them.

    Excludes code, and of nodes all but their marks: the rest of them are the entries in memory.
    """
    seen: set[int] = set()
    total = 0
    found: list[object] = [policy]
    while found:
        thing = found.pop()
        if id(thing) not in seen and not isinstance(thing, _NOT_ITS_OWN):
            seen.add(id(thing))
            total += (sys.getsizeof(thing) + 15) & ~15
            found += gc.get_referents(thing)
        elif isinstance(thing, Item):
            found.append(thing.mark)
    return total


_NOT_ITS_OWN = (Item, bytes, float, type, FunctionType, BuiltinFunctionType, ModuleType)


def _distinct_keys() -> Iterator[bytes]:
    return (b"distinct:%d" % number for number in count())


def _pass_through(policy: Keyed, keys: Iterator[bytes], wanted: int) -> None:
    for number in range(wanted):
        key = next(keys)
        policy.insert(key, float(number))
        if not number % 4:
            policy.hit(key)
        while len(policy) > 64:
            policy.evict()
