"""SIEVE: the hand, the marks, and the newest key."""

from __future__ import annotations

from sidecar.policies.sieve import Sieve
from sidecar.testing.traces import Keyed, drain, insert, letters, replay


def test_a_worked_trace() -> None:
    """A B C A D E A at size 3, oldest first, * for visited, ^ for the hand.

    A B C; A is read: A* B C; D is inserted: A is spared, B leaves: A ^C D; E is inserted: the hand
    continues at C, which leaves: A ^D E; A hits, at the cost of B.
    """
    assert replay(Keyed(Sieve()), letters("A B C A D E A B"), entries=3) == "mmmhmmhm"


def test_sieve_spares_a_visited_entry() -> None:
    """A was visited, so it stays in place and loses its mark; B leaves."""
    policy = Keyed(Sieve())
    insert(policy, letters("A B C"))
    policy.hit(b"A")
    assert policy.evict() == b"B"
    assert policy.evict() == b"A"


def test_sieve_goes_on_where_the_hand_stopped() -> None:
    """The hand does not return to a spared key before a full round."""
    policy = Keyed(Sieve())
    insert(policy, letters("A B C D"))
    policy.hit(b"A")
    assert policy.evict() == b"B"
    insert(policy, letters("E"))
    assert policy.evict() == b"C"


def test_sieve_takes_the_mark_of_all_when_all_are_visited() -> None:
    """After a full round, the oldest leaves."""
    policy = Keyed(Sieve())
    insert(policy, letters("A B C D"))
    for key in letters("D C B A"):
        policy.hit(key)
    assert policy.evict() == b"A"


def test_sieve_spares_the_newest_key() -> None:
    """Only C is unvisited, but the eviction makes room for it."""
    policy = Keyed(Sieve())
    insert(policy, letters("A B"))
    policy.hit(b"A")
    policy.hit(b"B")
    insert(policy, letters("C"))
    assert policy.evict() == b"A"


def test_sieve_lets_a_scan_pass() -> None:
    """Keys that are read once leave, although they are newer, while visited ones stay."""
    policy = Keyed(Sieve())
    popular = [b"popular:%d" % number for number in range(10)]
    replay(policy, popular * 2, entries=20)
    for number in range(0, 1_000, 10):
        replay(policy, [b"scan:%d" % (number + step) for step in range(10)], entries=20)
        assert replay(policy, popular, entries=20) == "h" * 10


def test_sieve_survives_the_removal_of_what_the_hand_is_at() -> None:
    """C, the key at the hand, and D are removed: it starts again at the oldest key, A."""
    policy = Keyed(Sieve())
    insert(policy, letters("A B C D"))
    policy.hit(b"A")
    assert policy.evict() == b"B"
    policy.remove(b"C")
    policy.remove(b"D")
    insert(policy, letters("E"))
    assert drain(policy) == letters("A E")
