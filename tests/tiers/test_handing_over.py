"""L3 is back: it is given what it missed, once, whatever happens meanwhile."""

from __future__ import annotations

import pytest

from sidecar.l3 import wire
from sidecar.model.answers import Status
from sidecar.model.writes import REPLACED, Delete
from sidecar.tiers.disk import UNANSWERED, Ack, Disk, Read, State

STATUS = Status(0, 0, 0, 0, 0, 0, 0, 0, slowed=False, wiped=False)


class Opened:
    """A disk whose L3 was away, missed some writes, and is back."""

    def __init__(self, missed: int = 3) -> None:
        self.now = 1000.0
        self.disk: Disk[Read] = Disk(lambda: self.now, lambda: self.now)
        self.disk.deliver_to(
            on_touches=lambda _: None,
            on_answers=lambda _: None,
            on_status=self._on_status,
            on_evicted=lambda _: None,
        )
        self.disk.give_up()
        for number in range(missed):
            self.disk.miss(Delete(b"ns/%d" % number, number + 1), lambda _: None)
        self.hello()

    def _on_status(self, _: Status, hello: bool) -> None:
        if hello:
            self.disk.hand_over(self.disk.missed.writes())

    def hello(self) -> None:
        self.disk.feed(wire.Reply([], [], [], status=STATUS))

    def take(self) -> list[wire.Request]:
        taken = []
        while (frame := self.disk.take()) is not None:
            taken.append(wire.decode_request(b"".join(frame)[4:]))
        return taken

    def acknowledge(self, count: int) -> None:
        self.disk.feed(wire.Reply([], [REPLACED] * count, []))


def test_it_is_on_the_disk_and_over_with_the_last_acknowledgement() -> None:
    opened = Opened()
    assert opened.disk.handing_over == 3
    [request] = opened.take()
    assert request.sync
    assert [write.seq for write in request.writes] == [1, 2, 3]
    opened.acknowledge(2)
    assert opened.disk.handing_over == 1
    opened.acknowledge(1)
    assert opened.disk.handing_over == 0
    opened.disk.write(Delete(b"ns/later", 9), None)
    [request] = opened.take()
    assert not request.sync


def test_a_slow_one_ends_all_the_same() -> None:
    """Although nobody is told in time."""
    opened = Opened()
    opened.take()
    opened.now += 60.0
    opened.disk.expire(opened.now)
    opened.acknowledge(3)
    assert opened.disk.handing_over == 0


def test_a_child_that_dies_meanwhile_is_given_the_rest_and_nobody_is_forgotten() -> None:
    """A write that came behind it is answered too."""
    opened = Opened()
    heard: list[Ack] = []
    opened.disk.write(Delete(b"ns/behind", 9), None, heard.append)
    opened.take()
    opened.acknowledge(1)
    opened.disk.lost()
    opened.hello()
    assert opened.disk.handing_over == 2
    [request] = opened.take()
    assert [write.seq for write in request.writes] == [2, 3, 9]
    opened.acknowledge(3)
    assert heard == [REPLACED]
    assert opened.disk.handing_over == 0


def test_what_was_not_handed_over_is_missed_again() -> None:
    opened = Opened()
    opened.take()
    opened.acknowledge(1)
    opened.disk.give_up()
    assert [write.seq for write in opened.disk.missed.writes()] == [2, 3]
    assert opened.disk.handing_over == 0


@pytest.mark.parametrize("recording", [True, False])
def test_a_missed_write_is_answered_when_it_is_recorded_or_nobody_can(*, recording: bool) -> None:
    """Also by a volume that does not answer, in time, and then all at once."""
    opened = Opened(missed=0)
    disk, heard = opened.disk, list[Ack]()
    disk.give_up(recording=recording)
    for number in range(5):
        disk.miss(Delete(b"ns/%d" % number, number + 1), heard.append)
    assert len(heard) == (0 if recording else 5)
    if recording:
        disk.recorded(2, recording=True)
        assert len(heard) == 2
        opened.now += 2.0
        disk.expire(opened.now)
        assert len(heard) == 5
        assert not disk.recording
        disk.recorded(3, recording=True)  # the volume answers after all
        assert len(heard) == 5
    assert UNANSWERED not in heard
    assert disk.state is State.DOWN
