"""Paced writes to L3, with a test clock."""

from __future__ import annotations

import math

from sidecar.l3 import wire
from sidecar.model.answers import Status
from sidecar.model.entry import Entry
from sidecar.model.writes import NEW, Delete, Put
from sidecar.tiers.disk import Disk, Read, put_of

STATUS = Status(0, 0, 0, 0, 0, 0, 0, 0, slowed=False, wiped=False)


class Paced:
    """An open disk, and the frames taken from it. Nothing is acknowledged automatically."""

    def __init__(self, bytes_per_second: float) -> None:
        self.now = 1000.0
        self.seq = 0
        self.disk: Disk[Read] = Disk(lambda: self.now, lambda: self.now)
        self.disk.feed(wire.Reply([], [], [], status=STATUS))
        self.disk.pace_writes(bytes_per_second)

    def put(self, size: int) -> None:
        self.seq += 1
        entry = Entry(
            key=b"%d" % self.seq,
            value=bytes(size),
            content_type="text/plain",
            seq=self.seq,
            times=complex(self.now, math.inf),
        )
        self.disk.write(put_of(entry), entry)

    def delete(self) -> None:
        self.seq += 1
        self.disk.write(Delete(b"%d" % self.seq, self.seq), None)

    def sent(self) -> list[bytes]:
        """The keys of the writes that are sent now; they are acknowledged."""
        keys: list[bytes] = []
        while (frame := self.disk.take()) is not None:
            writes = wire.decode_request(b"".join(frame)[4:]).writes
            keys += [write.key for write in writes if isinstance(write, Put | Delete)]
            self.disk.feed(wire.Reply([], [NEW] * len(writes), []))
        return keys


def test_values_go_out_at_the_rate() -> None:
    """A burst of a quarter of a second, then the rate; a write that has begun is paid for later."""
    paced = Paced(bytes_per_second=1000)
    for _ in range(10):
        paced.put(100)
    assert paced.sent() == [b"1", b"2", b"3"]
    assert paced.sent() == []
    paced.now += 0.1
    assert paced.sent() == [b"4"]
    paced.now += 100.0
    assert paced.sent() == [b"5", b"6", b"7"]
    assert paced.disk.writes_wait
    paced.now -= 50.0  # the clock is set back: nothing is earned for that time, nor lost
    assert paced.sent() == []
    paced.now += 0.1
    assert paced.sent() == [b"8"]


def test_the_order_stays() -> None:
    """A delete waits only for the writes before it."""
    paced = Paced(bytes_per_second=1000)
    paced.delete()
    paced.put(5000)
    paced.delete()
    assert paced.sent() == [b"1", b"2"]
    paced.now += 4.7
    assert paced.sent() == []
    paced.now += 0.1
    assert paced.sent() == [b"3"]


def test_reads_are_not_slowed() -> None:
    """Reads are not slowed, however many writes wait."""
    paced = Paced(bytes_per_second=1)
    for _ in range(3):
        paced.put(100)
    paced.sent()
    paced.disk.read(Read(b"key"))
    frame = paced.disk.take()
    assert frame is not None
    request = wire.decode_request(b"".join(frame)[4:])
    assert (request.reads, request.writes) == ([b"key"], [])


def test_no_more_waits_than_can_be_sent_in_time() -> None:
    """A later writer waits for room, not for an answer that would be too late. One write may always
    wait, at any rate.
    """
    paced = Paced(bytes_per_second=1000)
    while not paced.disk.full:
        paced.put(100)
    assert paced.seq == 5  # half of a second
    paced.disk.pace_writes(math.inf)
    assert not paced.disk.full
    assert len(paced.sent()) == 5
    paced.disk.pace_writes(0.001)
    assert not paced.disk.full
