"""Writes of one group are one batch in L3, whatever else is sent."""

from __future__ import annotations

import pytest

from sidecar.l3 import wire
from sidecar.model.answers import Status
from sidecar.model.writes import NEW, Delete, Put
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


def request(disk: Disk[Read]) -> wire.Request:
    """The next frame."""
    frame = disk.take(at_once=True)
    assert frame is not None
    return wire.decode_request(b"".join(frame)[4:])


def sent(disk: Disk[Read]) -> list[int]:
    """The numbers of the writes in the next frame."""
    return [write.seq for write in request(disk).writes]


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


def test_an_allowance_divides_no_group(disk: Disk[Read]) -> None:
    """What it exceeds the allowance by has to be earned before anything else is sent."""
    now = disk.monotonic()
    disk.monotonic = lambda: now
    disk.pace_writes(4 * 1000.0)  # a thousand at once
    with disk.together():
        for seq in range(1, 6):
            disk.write(Put(b"ns/%d" % seq, seq, 1.0, 2.0, "t", 900, b"x" * 900), None)
    disk.write(Put(b"ns/6", 6, 1.0, 2.0, "t", 900, b"x" * 900), None)
    assert sent(disk) == [1, 2, 3, 4, 5]
    assert disk.take(at_once=True) is None
    now += 1.0
    assert sent(disk) == [6]


def test_the_child_is_told_what_is_one_batch(disk: Disk[Read]) -> None:
    write(disk, 2, 1)
    with disk.together():
        write(disk, 3, 3)
    with disk.together():
        write(disk, 2, 6)
    write(disk, 1, 8)
    assert request(disk).joined == [3, 4, 6]
    with disk.together():
        disk.write(Put(b"ns/9", 9, 1.0, 2.0, "t", 1, b"x"), None)
        large = b"x" * (wire.LARGE_BYTES + 1)  # a piece of its frame
        disk.write(Put(b"ns/10", 10, 1.0, 2.0, "t", len(large), large), None)
    disk.feed(wire.Reply([], [NEW] * 8, []))
    assert request(disk).joined == [1]
