"""LRU: only recency counts."""

from __future__ import annotations

from sidecar.policies.lru import Lru
from sidecar.testing.traces import Keyed, drain, insert, letters, replay


def test_a_worked_trace() -> None:
    """A B C A B D A at size 3: D replaces C, whose last use is the oldest."""
    assert replay(Keyed(Lru()), letters("A B C A B D A C"), entries=3) == "mmmhhmhm"


def test_lru_loses_everything_to_a_loop_that_is_one_key_too_long() -> None:
    """A B C in a loop at size 2 never hits: each key leaves just before it is read again."""
    assert replay(Keyed(Lru()), letters("A B C A B C A B C"), entries=2) == "m" * 9


def test_lru_takes_a_replaced_value_for_a_use() -> None:
    """A was replaced last, so B leaves first."""
    policy = Keyed(Lru())
    insert(policy, letters("A B C"))
    policy.update(b"A", 9.0)
    assert drain(policy) == letters("B C A")
