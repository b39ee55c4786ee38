"""How many may wait for L3; the clock and L3 are the test's."""

from __future__ import annotations

from collections import deque

import pytest

from sidecar.l3 import wire
from sidecar.model.answers import Status
from sidecar.model.writes import NEW, Delete
from sidecar.tiers.crowd import FEW, HOLD_SECONDS, WAIT_SECONDS, Crowd
from sidecar.tiers.disk import Disk, Read

AT_ONCE = 64
"""Requests that L3 answers in one reply."""


class Queue:
    """Requests that wait for an L3 that answers so many in a second."""

    def __init__(self, per_second: float) -> None:
        self.crowd = Crowd()
        self.now = 100.0
        self.waits: list[float] = []
        self.refused = 0
        self._seconds = 1 / per_second
        self._asked: deque[float] = deque()

    def ask(self, requests: int) -> None:
        for _ in range(requests):
            if self.crowd.is_full(len(self._asked)):
                self.refused += 1
            else:
                self._asked.append(self.now)

    def answer(self) -> None:
        """The next reply."""
        answered = [self._asked.popleft() for _ in range(min(AT_ONCE, len(self._asked)))]
        self.now += self._seconds * max(1, len(answered))
        if answered:
            self.waits += [self.now - asked for asked in answered]
            self.crowd.answered(self.waits[-1], len(self._asked), self.now)

    def run(self, seconds: float, clients: int) -> None:
        """So many clients always ask again."""
        until = self.now + seconds
        while self.now < until:
            self.ask(clients - len(self._asked))
            self.answer()


@pytest.mark.parametrize("per_second", [2_000.0, 20_000.0, 100_000.0])
def test_those_that_wait_are_answered_in_time(per_second: float) -> None:
    """However fast L3 is, it always has something to do, and nobody waits for long."""
    queue = Queue(per_second)
    queue.run(5.0, 5_000)
    queue.waits.clear()
    queue.run(3.0, 5_000)
    few = (FEW + AT_ONCE) / per_second
    assert max(queue.waits) < max(2 * WAIT_SECONDS, few)
    assert len(queue.waits) > 0.95 * 3.0 * per_second
    assert queue.refused


def test_an_l3_that_becomes_faster_or_slower_is_followed() -> None:
    """Within half a second."""
    queue = Queue(20_000.0)
    for per_second in (20_000.0, 5_000.0, 50_000.0):
        queue._seconds = 1 / per_second
        queue.run(0.5, 5_000)
        queue.waits.clear()
        queue.run(1.0, 5_000)
        assert max(queue.waits) < 2 * WAIT_SECONDS
        assert sum(queue.waits) / len(queue.waits) > WAIT_SECONDS / 3


def test_a_long_queue_that_drains_is_no_overload() -> None:
    """A request for a thousand keys, now and then."""
    queue = Queue(10_000.0)
    for _ in range(50):
        queue.ask(1_000)
        for _ in range(20):
            queue.answer()
        queue.now += 0.05
    assert not queue.refused
    assert max(queue.waits) > 2 * WAIT_SECONDS


def test_a_few_may_wait_for_a_slow_disk() -> None:
    """Sixteen connections, each read of which takes 200 ms."""
    queue = Queue(5.0)
    queue.run(300.0, 16)
    assert not queue.refused


@pytest.mark.parametrize("sync", [True, False])
def test_writes_that_are_fsynced_may_wait_for_that(*, sync: bool) -> None:
    """100 clients that always write again, and 30 ms for all that are sent at once: to refuse some
    would make nobody wait less.
    """
    now = 100.0
    disk: Disk[Read] = Disk(lambda: now, lambda: now)
    disk.feed(wire.Reply([], [], [], status=Status(0, 0, 0, 0, 0, 0, 0, 0, False, False)))
    disk.sync = sync
    for seq in range(100):
        disk.write(Delete(b"a/%d" % seq, seq), None)
    refused = 0
    for turn in range(100):
        now += 0.03
        disk.take(at_once=True)
        disk.feed(wire.Reply([], [NEW] * 50, []))
        for seq in range(50):
            if disk.refuses_write(until_applied=True):
                refused += 1
            disk.write(Delete(b"a/%d" % seq, 100 + 50 * turn + seq), None)
    assert bool(refused) is not sync


def test_it_ends_with_the_overload() -> None:
    """A while after the last one was refused."""
    queue = Queue(20_000.0)
    queue.run(1.0, 5_000)
    refused = queue.refused
    queue.run(HOLD_SECONDS + 0.5, 100)
    assert queue.refused == refused
    queue.ask(5_000)
    assert queue.refused == refused
