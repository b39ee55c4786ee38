"""W-TinyLFU: admission, ageing and the window."""

from __future__ import annotations

from random import Random

import pytest

from sidecar.policies.lru import Lru
from sidecar.policies.w_tinylfu import WTinyLfu
from sidecar.testing.traces import Keyed, letters, replay, zipf

POPULAR = [b"popular:%d" % number for number in range(10)]


def strangers(name: str, wanted: int) -> list[bytes]:
    """Keys that are read once."""
    return [b"%s:%d" % (name.encode(), number) for number in range(wanted)]


def test_a_worked_trace() -> None:
    """At size 2 the window is one key, and so is the main part.

    A B: A moves from the window to the main part. C: B leaves the window and is no more popular
    than A, so B is rejected. A hits. B, C: each is rejected in favour of A, which has two uses by
    then, and hits once more.
    """
    policy = Keyed(WTinyLfu(Random(1)))
    assert replay(policy, letters("A B C A B C A"), entries=2) == "mmmhmmh"


def test_w_tinylfu_refuses_what_is_less_popular_than_what_would_leave() -> None:
    """A scan only reaches the window, and each of its keys is rejected."""
    policy = Keyed(WTinyLfu(Random(1)))
    replay(policy, POPULAR * 3, entries=10)
    replay(policy, strangers("scan", 40), entries=10)
    assert sum(key in policy for key in POPULAR) == 9


def test_w_tinylfu_admits_what_is_asked_for_often() -> None:
    """A new key that is read repeatedly replaces an old one, after rejections."""
    policy = Keyed(WTinyLfu(Random(1)))
    replay(policy, POPULAR * 2, entries=10)
    for key in strangers("scan", 10):
        replay(policy, [b"newcomer", key], entries=10)
    assert b"newcomer" in policy


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_w_tinylfu_forgets_old_popularity(seed: int) -> None:
    """Formerly popular keys are evicted for currently popular ones: counts are halved over time."""
    policy = Keyed(WTinyLfu(Random(seed)))
    now = [b"now:%d" % number for number in range(10)]
    replay(policy, POPULAR * 100, entries=10)
    replay(policy, now * 30, entries=10)
    assert replay(policy, now * 10, entries=10).count("h") > 80


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_w_tinylfu_is_lru_when_all_is_window(seed: int) -> None:
    """With a window of 1, keys are never compared."""
    trace = zipf(seed, requests=5_000, keys=500)
    policy = Keyed(WTinyLfu(Random(seed), window=1.0))
    assert replay(policy, trace, entries=50) == replay(Keyed(Lru()), trace, entries=50)


def test_w_tinylfu_gives_recency_more_room_with_a_larger_window() -> None:
    """With half of ten entries as window, the last five keys of a scan are still there."""
    scan = strangers("scan", 40)
    policy = Keyed(WTinyLfu(Random(1), window=0.5))
    replay(policy, POPULAR * 3, entries=10)
    replay(policy, scan, entries=10)
    assert all(key in policy for key in scan[-5:])
    assert sum(key in policy for key in POPULAR) == 5


def test_w_tinylfu_keeps_in_the_protected_queue_what_was_hit_in_the_main_part() -> None:
    """A was hit in the main part, so it outlives B, which has as many uses but none there."""
    policy = Keyed(WTinyLfu(Random(1)))
    replay(policy, letters("A B C D E F G H I J") + letters("A"), entries=10)
    assert list(policy).index(b"A") == 9


def test_w_tinylfu_keeps_its_counts_when_the_sketch_grows_and_shrinks() -> None:
    """Keys that are popular among 50 still are among 5,000, and among 50 again."""
    policy = Keyed(WTinyLfu(Random(1)))
    replay(policy, POPULAR * 4, entries=50)
    for crowd, entries in (("many", 5_000), ("few", 50)):
        replay(policy, strangers(crowd, entries), entries=entries)
        assert replay(policy, POPULAR, entries=entries).count("h") >= 9
