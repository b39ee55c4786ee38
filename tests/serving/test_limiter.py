"""The limit of what is under way, second by second in a clock that is told the time."""

from __future__ import annotations

from itertools import repeat

from sidecar.model.stats import RequestStats
from sidecar.serving.limiter import CEILING, FLOOR, Limiter, usual_seconds

BASE_SECONDS = 0.002


class Service:
    """Answers in BASE_SECONDS while no more than `room` are under way, and queues the rest."""

    def __init__(self, limiter: Limiter, room: int) -> None:
        self.limiter = limiter
        self.room = room
        self.now = 0.0

    def second(self, wanted: int) -> float:
        """A second in which so many clients always want something; how long an answer took."""
        in_flight = min(wanted, self.limiter.limit)
        seconds = BASE_SECONDS * max(1.0, in_flight / self.room)
        for _ in repeat(None, 100):
            self.now += 0.0101
            self.limiter.observe(self.now, seconds, in_flight)
        return seconds

    def seconds(self, count: int, wanted: int) -> float:
        return [self.second(wanted) for _ in range(count)][-1]


def test_nobody_is_turned_away_while_answers_take_what_they_always_take() -> None:
    """Whatever is under way: the limit begins with it and stays above it."""
    service = Service(Limiter(), room=1000)
    for _ in range(300):
        service.second(wanted=300)
        assert service.limiter.limit >= 300


def test_a_queue_is_cut_down_to_what_is_served_in_time() -> None:
    """Ten times as many as there is room for, over a latency that was usual before: the limit comes
    near the room, and so does the latency."""
    service = Service(Limiter(), room=50)
    service.seconds(60, wanted=40)
    assert service.limiter.limit >= 40
    assert service.seconds(60, wanted=500) < 3 * BASE_SECONDS
    assert 50 <= service.limiter.limit < 150


def test_switched_on_in_the_middle_of_a_queue_it_knows_what_was_usual() -> None:
    """By the histograms of the time before."""
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
    """When there is room again, it grows for as long as it is used."""
    service = Service(Limiter(), room=50)
    service.seconds(60, wanted=40)
    service.seconds(60, wanted=500)
    service.room = 2000
    service.seconds(300, wanted=500)
    assert service.limiter.limit >= 500


def test_the_limit_has_a_floor_and_a_ceiling() -> None:
    """However slow, however fast."""
    slow = Service(Limiter(BASE_SECONDS), room=1)
    slow.seconds(100, wanted=5000)
    assert slow.limiter.limit == FLOOR
    fast = Service(Limiter(), room=100_000)
    fast.seconds(600, wanted=5000)
    assert fast.limiter.limit == CEILING


def test_what_waited_for_nothing_and_one_slow_client_say_little() -> None:
    """Hits in memory are not looked at, and one request of many seconds is no congestion."""
    limiter = Limiter(BASE_SECONDS)
    now = 0.0
    for _ in range(30):
        for n in range(100):
            now += 0.0101
            limiter.observe(now, 0.00002, 1)
            limiter.observe(now, 20.0 if n == 0 else BASE_SECONDS, 100)
    assert limiter.limit >= 100
