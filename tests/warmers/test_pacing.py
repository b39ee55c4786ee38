"""The pace of a run: its rates, and less than that while GETs are slower than without it."""

from __future__ import annotations

import pytest

from sidecar.config.values import RateConfig
from sidecar.model.stats import RequestStats
from sidecar.warmers.pacing import LARGEST_SHARE, LEAST_SHARE, PAUSE_SECONDS, Meter, Pacing, Reads

FAST, SLOW = 0.00008, 0.004


def observe(stats: RequestStats, seconds: float, count: int, operation: str = "get") -> None:
    stats.observe(operation, 200, seconds, count)


# ---- rates


def test_a_meter_asks_to_wait_for_what_was_taken() -> None:
    meter = Meter(100)
    assert meter.take(50, 0.0) == pytest.approx(0.5)
    assert meter.take(50, 0.5) == pytest.approx(0.5)


def test_what_was_not_taken_is_not_made_up_for() -> None:
    """After a pause of an hour the rate is what it was."""
    meter = Meter(100)
    meter.take(50, 0.0)
    assert meter.take(50, 3600.0) == pytest.approx(0.5)


# ---- GETs


def test_reads_are_slower_if_more_of_them_are_above_the_usual_bound() -> None:
    stats = RequestStats()
    reads = Reads([stats])
    observe(stats, FAST, 995)
    observe(stats, SLOW, 5)
    reads.end_quiet()
    reads.begin()
    observe(stats, FAST, 1000)
    assert not reads.are_slower()
    observe(stats, SLOW, 30)
    assert reads.are_slower()


def test_reads_that_are_slow_without_a_run_are_not_slower_with_it() -> None:
    stats = RequestStats()
    reads = Reads([stats])
    observe(stats, SLOW, 1000)
    reads.end_quiet()
    reads.begin()
    observe(stats, SLOW, 1000)
    assert not reads.are_slower()


def test_few_reads_say_nothing() -> None:
    """Neither of what is usual nor of what is slower."""
    stats = RequestStats()
    reads = Reads([stats])
    observe(stats, FAST, 10)
    reads.end_quiet()
    reads.begin()
    observe(stats, SLOW, 1000)
    assert not reads.are_slower()


def test_only_reads_count_of_all_protocols() -> None:
    http, resp = RequestStats(), RequestStats()
    reads = Reads([http, resp])
    observe(http, FAST, 500)
    observe(resp, FAST, 500, "mget")
    reads.end_quiet()
    reads.begin()
    observe(http, SLOW, 1000, "put")
    observe(http, FAST, 1000)
    assert not reads.are_slower()
    observe(resp, SLOW, 100)
    assert reads.are_slower()


# ---- both


class Told:
    """A clock that is told the time by each rest, in which GETs take as long as a test says."""

    def __init__(self) -> None:
        self.now = 0.0
        self.rests: list[float] = []
        self.stats = RequestStats()
        self.seconds = FAST

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now += seconds
        observe(self.stats, FAST if seconds == PAUSE_SECONDS else self.seconds, 100)

    def pacing(self, rate: RateConfig) -> Pacing:
        return Pacing(rate, [self.stats], self, self.sleep)


@pytest.fixture
def told() -> Told:
    return Told()


UNBOUND = RateConfig(entries_per_second=1_000_000, bytes_per_second=1 << 40)


async def test_a_rest_is_as_long_as_the_work_at_least(told: Told) -> None:
    pacing = told.pacing(UNBOUND)
    await pacing.rest(16, 0.002, 1.0)
    assert told.rests[0] == pytest.approx(0.002)


async def test_the_pace_of_all_background_work_makes_it_longer(told: Told) -> None:
    pacing = told.pacing(UNBOUND)
    await pacing.rest(16, 0.002, 0.5)
    assert told.rests[0] == pytest.approx(0.006)


async def test_the_rate_makes_it_longer(told: Told) -> None:
    pacing = told.pacing(RateConfig(entries_per_second=100))
    await pacing.rest(16, 0.002, 1.0)
    assert told.rests[0] == pytest.approx(0.16)


async def test_a_run_gives_way_to_slower_reads_and_comes_back(told: Told) -> None:
    """While it pauses, they are always fast."""
    pacing = told.pacing(UNBOUND)
    for seconds, share in ((FAST, LARGEST_SHARE), (SLOW, LEAST_SHARE), (FAST, LARGEST_SHARE)):
        told.seconds = seconds
        for _ in range(2000):
            await pacing.rest(16, 0.002, 1.0)
        assert pacing.share == share
