"""Random replacement: only chance decides."""

from __future__ import annotations

from collections import Counter
from random import Random as Rng

import pytest

from sidecar.policies.random import Random
from sidecar.testing.traces import Keyed, drain, insert, letters, replay


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_gives_every_key_the_same_chance(seed: int) -> None:
    """In 6,000 draws out of four keys each is the first victim 1,500 times, within 10 %.

    Hits and age make no difference; 10 % is four and a half standard deviations.
    """
    first_to_leave: Counter[bytes] = Counter()
    rng = Rng(seed)
    for _ in range(6_000):
        policy = Keyed(Random(rng))
        insert(policy, letters("A B C D"))
        policy.hit(b"A")
        first_to_leave[policy.evict()] += 1
    assert first_to_leave.keys() == set(letters("A B C D"))
    assert all(1_350 < times < 1_650 for times in first_to_leave.values())


def test_random_repeats_itself_with_the_same_seed() -> None:
    """Same seed, same victims; another seed, others."""

    def victims(seed: int) -> list[bytes]:
        policy = Keyed(Random(Rng(seed)))
        insert(policy, [b"%d" % number for number in range(100)])
        return drain(policy)

    assert victims(1) == victims(1)
    assert victims(1) != victims(2)


@pytest.mark.parametrize("seed", range(5))
def test_random_survives_a_loop_that_is_one_key_too_long(seed: int) -> None:
    """LRU never hits here; random replacement hits in more than half of the cases."""
    trace = [b"%d" % number for number in range(21)] * 100
    assert replay(Keyed(Random(Rng(seed))), trace, entries=20).count("h") > 0.7 * len(trace)
