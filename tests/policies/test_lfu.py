"""LFU: only the number of uses counts."""

from __future__ import annotations

from sidecar.policies.lfu import Lfu
from sidecar.testing.traces import Keyed, drain, insert, letters, replay


def test_a_worked_trace() -> None:
    """A A B C B A at size 2: C replaces B, used once, and B then replaces C; A stays."""
    assert replay(Keyed(Lfu()), letters("A A B C B A"), entries=2) == "mhmmmh"


def test_lfu_never_forgets_what_was_popular_once() -> None:
    """Used three times at the start, A outlives any number of keys that are used twice."""
    late = letters("B B C C D D E E F F G G")
    policy = Keyed(Lfu())
    assert replay(policy, letters("A A A") + late, entries=2) == "mhh" + "mh" * 6
    assert b"A" in policy


def test_lfu_evicts_the_least_recently_used_of_equals() -> None:
    """All but the newest were used twice; they leave in the order of their second use."""
    policy = Keyed(Lfu())
    insert(policy, letters("A B C D E"))
    for key in letters("C A D B"):
        policy.hit(key)
    assert drain(policy) == letters("C A D B E")


def test_lfu_spares_the_newest_key() -> None:
    """D has the fewest uses, but the eviction makes room for it."""
    policy = Keyed(Lfu())
    insert(policy, letters("A B C"))
    for key in letters("A B C A C"):
        policy.hit(key)
    insert(policy, letters("D"))
    assert drain(policy) == letters("B A C D")


def test_lfu_forgets_the_count_of_a_key_that_left() -> None:
    """A returns with one use, and leaves before B, which has two."""
    policy = Keyed(Lfu())
    insert(policy, letters("A"))
    for _ in range(5):
        policy.hit(b"A")
    policy.remove(b"A")
    insert(policy, letters("B A C"))
    policy.hit(b"B")
    assert drain(policy) == letters("A B C")


def test_lfu_takes_a_replaced_value_for_a_use() -> None:
    """A is replaced, and outlives B."""
    policy = Keyed(Lfu())
    insert(policy, letters("A B C"))
    policy.update(b"A", 9.0)
    assert drain(policy) == letters("B A C")
