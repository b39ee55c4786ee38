"""The keys that are read most, found in bounded memory."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from sidecar.store.hot import HALF_LIFE_SECONDS, MOST_KEYS, MOST_NOTED, HotKeys

REPORT_SECONDS = 0.5


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def read(hot: HotKeys, clock: Clock, seconds: float, rates: dict[bytes, float]) -> None:
    """Each key as often a second as stated, for so long."""
    for _ in range(int(seconds / REPORT_SECONDS)):
        clock.now += REPORT_SECONDS
        hot.add([(key, round(rate * REPORT_SECONDS)) for key, rate in rates.items()])


def test_rates_are_those_of_the_last_minute(clock: Clock) -> None:
    """From the first seconds on; what is not read any more is half as hot after half a minute."""
    hot = HotKeys(clock)
    assert hot.top(10) == []
    read(hot, clock, 5, {b"a": 100, b"b": 20})
    found = {each.key: each.per_second for each in hot.top(10)}
    assert found == pytest.approx({b"a": 100, b"b": 20}, rel=0.1)
    read(hot, clock, 600, {b"a": 10, b"c": 400})
    first, second, third = hot.top(10)
    assert [first.key, second.key, third.key] == [b"c", b"a", b"b"]
    assert [first.per_second, second.per_second] == pytest.approx([400, 10], rel=0.1)
    assert third.per_second < 0.01
    clock.now += HALF_LIFE_SECONDS
    assert hot.top(1)[0].per_second == pytest.approx(first.per_second / 2, rel=0.01)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_hottest_of_many_are_found(clock: Clock, seed: int) -> None:
    """Of 50,000 keys read by Zipf's law; none is said to be colder than it is."""
    rng = random.Random(seed)
    ranks = range(1, 50_001)
    keys = [b"key%d" % rank for rank in ranks]
    drawn = rng.choices(keys, [1 / rank for rank in ranks], k=400_000)
    hot = HotKeys(clock)
    for start in range(0, len(drawn), 2_000):
        hot.add(Counter(drawn[start : start + 2_000]).items())
    true = Counter(drawn)
    top = hot.top(20)
    expected = {key for key, _ in true.most_common(30)}
    assert {each.key for each in top[:10]} == {key for key, _ in true.most_common(10)}
    assert {each.key for each in top} <= expected
    for each in top:
        assert each.per_second - each.error_per_second <= true[each.key] * 1.02


def test_memory_is_bounded(clock: Clock) -> None:
    """Whatever is read, also of keys that are only in L3, and for however long."""
    hot = HotKeys(clock)
    for number in range(200_000):
        hot.note(b"cold%d" % number)
    assert len(hot._noted) == MOST_NOTED
    for start in range(0, 100_000, 1000):
        clock.now += 1000.0
        hot.add_noted()
        hot.add([(b"key%d" % number, 1) for number in range(start, start + 1000)])
        assert len(hot._counters) <= MOST_KEYS
    read(hot, clock, 60, {b"a": 100})
    assert hot.top(1)[0].key == b"a"
    assert hot.top(1)[0].per_second == pytest.approx(75, rel=0.2)


def test_time_that_stands_still_and_time_that_leaps(clock: Clock) -> None:
    hot = HotKeys(clock)
    hot.add([(b"a", 5)])
    assert hot.top(1)[0].per_second == pytest.approx(5, rel=0.1)
    clock.now += 1e7
    hot.add([(b"b", 5)])
    assert [each.key for each in hot.top(2)] == [b"b", b"a"]
