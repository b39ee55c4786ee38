"""TTL: nearest expiry first."""

from __future__ import annotations

from sidecar.policies.protocol import NEVER
from sidecar.policies.ttl import Ttl
from sidecar.testing.traces import Keyed, drain, letters, replay


def test_ttl_evicts_what_expires_first() -> None:
    """Only the expiry matters, not the order of arrival or the hits."""
    policy = Keyed(Ttl())
    for key, expires_at in ((b"A", 30.0), (b"B", 10.0), (b"C", NEVER), (b"D", 20.0)):
        policy.insert(key, expires_at)
    policy.hit(b"B")
    assert list(policy) == letters("B D A C")
    assert drain(policy) == letters("B D A C")


def test_ttl_goes_by_the_latest_expiry() -> None:
    """A key whose lifetime was extended or shortened leaves accordingly."""
    policy = Keyed(Ttl())
    for key, expires_at in ((b"A", 10.0), (b"B", 20.0), (b"C", 30.0)):
        policy.insert(key, expires_at)
    policy.update(b"A", 40.0)
    policy.update(b"C", 5.0)
    assert drain(policy) == letters("C B A")


def test_ttl_may_evict_the_key_that_just_came() -> None:
    """A new key that expires before all others is the first victim."""
    policy = Keyed(Ttl())
    policy.insert(b"A", 20.0)
    policy.insert(b"B", 10.0)
    assert policy.evict() == b"B"


def test_ttl_falls_back_on_order_of_arrival() -> None:
    """A B A C A at size 2 without expiries: the same as FIFO."""
    assert replay(Keyed(Ttl()), letters("A B A C A"), entries=2) == "mmhmm"


def test_ttl_does_not_keep_the_keys_of_abandoned_places() -> None:
    """A key that is replaced a thousand times has only a few entries in the heap."""
    policy = Keyed(Ttl())
    policy.insert(b"A", 1.0)
    policy.insert(b"B", NEVER)
    for second in range(1_000):
        policy.update(b"A", float(second))
    assert drain(policy) == letters("A B")
