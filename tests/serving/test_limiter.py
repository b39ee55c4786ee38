"""The limit of requests in progress, second by second with a test clock."""

from __future__ import annotations

from itertools import repeat

from sidecar.model.stats import RequestStats
from sidecar.serving.limiter import CEILING, FLOOR, Limiter, usual_seconds

BASE_SECONDS = 0.002


class Service:
    """Answers in BASE_SECONDS while at most `room` requests are in progress; others are queued."""

    def __init__(self, limiter: Limiter, room: int) -> None:
        self.limiter = limiter
        self.room = room
        self.now = 0.0

    def second(self, wanted: int) -> float:
        """A second with this many clients that always send requests; returns the latency."""
        in_flight = min(wanted, self.limiter.limit)
        seconds = BASE_SECONDS * max(1.0, in_flight / self.room)
        for _ in repeat(None, 100):
            self.now += 0.0101
            self.limiter.observe(self.now, seconds, in_flight)
        return seconds

    def seconds(self, count: int, wanted: int) -> float:
        return [self.second(wanted) for _ in range(count)][-1]


def test_nobody_is_turned_away_while_answers_take_what_they_always_take() -> None:
    """With any number of requests: the limit starts above it and stays there."""
    service = Service(Limiter(), room=1000)
    for _ in range(300):
        service.second(wanted=300)
        assert service.limiter.limit >= 300


def test_a_queue_is_cut_down_to_what_is_served_in_time() -> None:
    """Ten times as many clients as there is room for: the limit comes near the room, and the
    latency near the usual one, which was measured before.
    """
    service = Service(Limiter(), room=50)
    service.seconds(60, wanted=40)
    assert service.limiter.limit >= 40
    assert service.seconds(60, wanted=500) < 3 * BASE_SECONDS
    assert 50 <= service.limiter.limit < 150


def test_switched_on_in_the_middle_of_a_queue_it_knows_what_was_usual() -> None:
    """It uses the histograms from the time before."""
    stats = RequestStats()
    for _ in range(1000):
        stats.observe("get", 200, 0.00002)  # from memory: waited for nothing
        stats.observe("get", 200, BASE_SECONDS)
    usual = usual_seconds(stats)
    assert usual is not None
    assert BASE_SECONDS / 1.6 < usual < BASE_SECONDS * 1.6
    service = Service(Limiter(usual), room=50)
    assert service.second(wanted=500) == 10 * BASE_SECONDS
    service.seconds(60, wanted=500)
    assert service.limiter.limit < 150
    assert usual_seconds(RequestStats()) is None


def test_the_limit_comes_back_after_the_load() -> None:
    """When there is room again, the limit grows while it is used."""
    service = Service(Limiter(), room=50)
    service.seconds(60, wanted=40)
    service.seconds(60, wanted=500)
    service.room = 2000
    service.seconds(300, wanted=500)
    assert service.limiter.limit >= 500


def test_the_limit_has_a_floor_and_a_ceiling() -> None:
    """With a very slow and a very fast service."""
    slow = Service(Limiter(BASE_SECONDS), room=1)
    slow.seconds(100, wanted=5000)
    assert slow.limiter.limit == FLOOR
    fast = Service(Limiter(), room=100_000)
    fast.seconds(600, wanted=5000)
    assert fast.limiter.limit == CEILING


def test_what_waited_for_nothing_and_one_slow_client_say_little() -> None:
    """Hits in memory are ignored, and one request of many seconds is not congestion."""
    limiter = Limiter(BASE_SECONDS)
    now = 0.0
    for _ in range(30):
        for n in range(100):
            now += 0.0101
            limiter.observe(now, 0.00002, 1)
            limiter.observe(now, 20.0 if n == 0 else BASE_SECONDS, 100)
    assert limiter.limit >= 100
