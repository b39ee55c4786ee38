"""SIEVE: the hand, the marks, and the newest key."""

from __future__ import annotations

from sidecar.policies.sieve import Sieve
from sidecar.testing.traces import drain, insert, letters, replay


def test_a_worked_trace() -> None:
    """A B C A D E A at size 3, oldest first, * for visited, ^ for the hand.

    A B C; A is asked for: A* B C; D comes: A is spared, B leaves: A ^C D; E comes: the hand goes on
    at C, which leaves: A ^D E; A hits, B was the price.
    """
    assert replay(Sieve(), letters("A B C A D E A B"), entries=3) == "mmmhmmhm"


def test_sieve_spares_a_visited_entry() -> None:
    """A, visited, stays where it is and loses its mark; B leaves instead."""
    policy = Sieve()
    insert(policy, letters("A B C"))
    policy.hit(b"A")
    assert policy.evict() == b"B"
    assert policy.evict() == b"A"


def test_sieve_goes_on_where_the_hand_stopped() -> None:
    """The key that was spared is not looked at again before the hand has been all around."""
    policy = Sieve()
    insert(policy, letters("A B C D"))
    policy.hit(b"A")
    assert policy.evict() == b"B"
    insert(policy, letters("E"))
    assert policy.evict() == b"C"


def test_sieve_takes_the_mark_of_all_when_all_are_visited() -> None:
    """After one way around, the oldest leaves."""
    policy = Sieve()
    insert(policy, letters("A B C D"))
    for key in letters("D C B A"):
        policy.hit(key)
    assert policy.evict() == b"A"


def test_sieve_spares_the_newest_key() -> None:
    """Only C is not visited, but it is what room is being made for."""
    policy = Sieve()
    insert(policy, letters("A B"))
    policy.hit(b"A")
    policy.hit(b"B")
    insert(policy, letters("C"))
    assert policy.evict() == b"A"


def test_sieve_lets_a_scan_pass() -> None:
    """Keys that are asked for once leave, newer though they are, while the visited stay."""
    policy = Sieve()
    popular = [b"popular:%d" % number for number in range(10)]
    replay(policy, popular * 2, entries=20)
    for number in range(0, 1_000, 10):
        replay(policy, [b"scan:%d" % (number + step) for step in range(10)], entries=20)
        assert replay(policy, popular, entries=20) == "h" * 10


def test_sieve_survives_the_removal_of_what_the_hand_is_at() -> None:
    """With C, at which the hand was, and D gone, it starts over at the oldest, A."""
    policy = Sieve()
    insert(policy, letters("A B C D"))
    policy.hit(b"A")
    assert policy.evict() == b"B"
    policy.remove(b"C")
    policy.remove(b"D")
    insert(policy, letters("E"))
    assert drain(policy) == letters("A E")
