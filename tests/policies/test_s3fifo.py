"""S3-FIFO: the small queue, the ghosts, and the rounds in the main queue."""

from __future__ import annotations

from sidecar.policies.s3fifo import S3Fifo
from sidecar.testing.traces import Keyed, insert, letters, replay

TEN = letters("A B C D E F G H I J")


def full() -> Keyed:
    """Ten entries: A is in the small queue, B to J are in the main queue."""
    policy = Keyed(S3Fifo())
    insert(policy, TEN)
    return policy


def test_a_worked_trace() -> None:
    """At size 10: K replaces A, and L replaces K; both A and K are ghosts when they return.

    K has room in the main queue, and L evicts B. M, N and O then replace each other in the small
    queue, while K and L stay.
    """
    policy = Keyed(S3Fifo())
    assert replay(policy, TEN + letters("K L K L B"), entries=10) == "m" * 15
    assert replay(policy, letters("M N O K L"), entries=10) == "mmmhh"


def test_s3fifo_lets_a_scan_pass_through_its_small_queue() -> None:
    """A thousand keys that are read once leave the main queue unchanged."""
    policy = full()
    replay(policy, [b"scan:%d" % number for number in range(1_000)], entries=10)
    assert replay(policy, TEN[1:], entries=10) == "h" * 9


def test_s3fifo_moves_on_what_is_asked_for_twice_on_trial() -> None:
    """A moves on with two hits, and B is evicted; with one hit, A would have been evicted."""
    policy = full()
    policy.hit(b"A")
    policy.hit(b"A")
    insert(policy, letters("K"))
    assert policy.evict() == b"B"
    assert b"A" in policy

    policy = full()
    policy.hit(b"A")
    insert(policy, letters("K"))
    assert policy.evict() == b"A"


def test_s3fifo_takes_a_ghost_into_the_main_queue() -> None:
    """A was evicted, but returned soon: the next scan does not evict it."""
    policy = full()
    replay(policy, letters("K A"), entries=10)
    replay(policy, [b"scan:%d" % number for number in range(100)], entries=10)
    assert b"A" in policy


def test_s3fifo_takes_a_ghost_back_once() -> None:
    """A returned as a ghost and was deleted: the next time, it enters the small queue."""
    policy = full()
    replay(policy, letters("K A"), entries=10)
    policy.remove(b"A")
    replay(policy, letters("A"), entries=10)
    replay(policy, [b"scan:%d" % number for number in range(5)], entries=10)
    assert b"A" not in policy


def test_s3fifo_forgets_a_ghost_after_as_many_others_as_the_main_queue_has_room_for() -> None:
    """Nine evictions after that of A, A is no longer a ghost and enters the small queue."""
    policy = full()
    replay(policy, [b"scan:%d" % number for number in range(10)], entries=10)
    replay(policy, letters("A K"), entries=10)
    assert b"A" not in policy


def test_s3fifo_gives_a_key_in_the_main_queue_a_round_for_each_hit() -> None:
    """B, hit twice, is passed over twice; all others were hit once, so C is evicted then.

    A and K are ghosts when they return, and there is room in the main queue for only one.
    """
    policy = full()
    for key in TEN[1:] + letters("B"):
        policy.hit(key)
    replay(policy, letters("K L A A K"), entries=10)
    assert letters("C") == [key for key in TEN if key not in policy]


def test_s3fifo_goes_by_what_it_holds() -> None:
    """Of 100 keys that fit by bytes, ten are in the small queue, for any capacity in entries."""
    policy = Keyed(S3Fifo())
    policy.resize(1_000_000)
    trace = [b"key:%d" % number for number in range(100)]
    replay(policy, trace, entries=100)
    replay(policy, [b"scan:%d" % number for number in range(1_000)], entries=100)
    assert sum(key in policy for key in trace) == 90
