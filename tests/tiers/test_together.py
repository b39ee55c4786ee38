"""Writes of one group are one batch in L3, whatever else is sent."""

from __future__ import annotations

import pytest

from sidecar.l3 import wire
from sidecar.model.answers import Status
from sidecar.model.writes import NEW, Delete
from sidecar.tiers.disk import Disk, Read

STATUS = Status(0, 0, 0, 0, 0, 0, 0, 0, slowed=False, wiped=False)
MOST = wire.MAX_FRAME_WRITES


@pytest.fixture
def disk() -> Disk[Read]:
    opened: Disk[Read] = Disk(lambda: 1000.0, lambda: 1000.0)
    opened.feed(wire.Reply([], [], [], status=STATUS))
    return opened


def write(disk: Disk[Read], count: int, first: int) -> None:
    for seq in range(first, first + count):
        disk.write(Delete(b"ns/%d" % seq, seq), None)


def sent(disk: Disk[Read]) -> list[int]:
    """The numbers of the writes in the next frame."""
    frame = disk.take(at_once=True)
    assert frame is not None
    return [write.seq for write in wire.decode_request(b"".join(frame)[4:]).writes]


def test_a_group_that_a_frame_has_no_room_for_goes_into_the_next(disk: Disk[Read]) -> None:
    write(disk, MOST - 3, 1)
    with disk.together():
        write(disk, 3, MOST)
        with disk.together():  # of a command within a transaction
            write(disk, 3, MOST + 3)
    write(disk, 5, MOST + 6)
    assert sent(disk) == list(range(1, MOST - 2))
    assert sent(disk) == list(range(MOST, MOST + 11))


def test_two_groups_are_two(disk: Disk[Read]) -> None:
    with disk.together():
        write(disk, MOST - 1, 1)
    with disk.together():
        write(disk, 2, MOST)
    assert sent(disk) == list(range(1, MOST))
    assert sent(disk) == [MOST, MOST + 1]


def test_a_group_that_is_larger_than_a_frame_is_sent_in_several(disk: Disk[Read]) -> None:
    with disk.together():
        write(disk, MOST + 10, 1)
    assert sent(disk) == list(range(1, MOST + 1))
    disk.feed(wire.Reply([], [NEW] * MOST, []))
    assert sent(disk) == list(range(MOST + 1, MOST + 11))


def test_what_is_not_of_a_group_is_sent_as_it_comes(disk: Disk[Read]) -> None:
    write(disk, MOST + 1, 1)
    assert sent(disk) == list(range(1, MOST + 1))
