"""What L3 missed, in memory and on the volume."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from sidecar.l3.record import LostRecordError, RecordFile, item_of, read_record
from sidecar.l3.witness import HEAD_AT, MOST_RECORD_BYTES, RECORD_AT, WITNESS
from sidecar.model.writes import Delete, Invalidate, Put, Write
from sidecar.tiers.missed import Missed

SEED = 20261201
WRITES: list[Write] = [
    Delete(b"ns/1", 1),
    Put(b"ns/2", 2, 0.0, 1.0, "text/plain", 5, b"value"),
    Invalidate(b"ns/", 3),
    Delete(b"ns/1", 4),
]
LACKS: list[Write] = [Delete(b"ns/2", 2), Invalidate(b"ns/", 3), Delete(b"ns/1", 4)]


def test_a_key_is_missed_once_with_its_last_number() -> None:
    """A put counts as a deletion: L3 has an older version, or none."""
    missed = Missed()
    assert [missed.add(write) for write in WRITES] == [True, True, True, False]
    assert missed.writes() == LACKS


def test_what_an_earlier_process_recorded_lowers_no_number() -> None:
    """It is merged after later writes to the same names, which L3 would keep otherwise."""
    missed = Missed()
    missed.add(Delete(b"ns/1", 9))
    missed.add(Invalidate(b"ns/", 8))
    items = missed.items()
    assert not missed.add(Delete(b"ns/1", 3))
    assert not missed.add(Invalidate(b"ns/", 2))
    assert missed.writes() == [Invalidate(b"ns/", 8), Delete(b"ns/1", 9)]
    assert missed.items() == items


def test_the_record_gives_back_what_was_missed(tmp_path: Path) -> None:
    """Whether it is written at once or piece by piece."""
    missed = Missed()
    record = RecordFile(tmp_path)
    for write in WRITES[:2]:
        missed.add(write)
    record.write(missed.items())
    for write in WRITES[2:]:
        missed.add(write)
    record.append(missed.news())
    found = read_record(tmp_path)
    assert sorted(type(write).__name__ for write in found) == ["Delete", "Delete", "Invalidate"]
    record.write(missed.items())
    assert sorted(read_record(tmp_path), key=lambda write: write.seq) == LACKS
    record.clear()
    assert read_record(tmp_path) == []
    record.close()


def test_more_than_it_holds_is_lost() -> None:
    """Nothing else is news then."""
    missed = Missed(most_bytes=100)
    count = 0
    while not missed.overflowed:
        missed.add(Delete(b"ns/%d" % count, count))
        count += 1
    assert 3 < count < 20
    assert missed.any
    assert missed.writes() == []
    assert not missed.add(Delete(b"ns/another", count))
    missed.clear()
    assert not missed.any


def test_the_bound_is_that_of_the_file(tmp_path: Path) -> None:
    """A record of that size is written and read, and the file does not grow."""
    missed = Missed()
    rng = random.Random(SEED)
    count = 0
    while not missed.overflowed:
        items = missed.items()
        for _ in range(500):
            count += 1
            missed.add(Delete(b"ns/" + rng.randbytes(rng.randrange(1, 1024)), count))
    assert 0.5 * MOST_RECORD_BYTES < len(items) <= MOST_RECORD_BYTES
    record = RecordFile(tmp_path)
    record.write(items)
    record.close()
    assert b"".join(map(item_of, read_record(tmp_path))) == items
    assert (tmp_path / WITNESS).stat().st_size == RECORD_AT + MOST_RECORD_BYTES


@pytest.mark.parametrize(
    ("at", "data"),
    [
        (HEAD_AT, b"\xaa"),
        (HEAD_AT + 12, b"\xaa"),
        (HEAD_AT, bytes(64)),
        (RECORD_AT + 7, b"\xaa"),
        (RECORD_AT, bytes(9)),
    ],
)
def test_a_damaged_record_is_lost(tmp_path: Path, at: int, data: bytes) -> None:
    """It is never half applied."""
    record = RecordFile(tmp_path)
    record.write(b"".join(map(item_of, LACKS)))
    record.close()
    with (tmp_path / WITNESS).open("r+b") as stream:
        stream.seek(at)
        stream.write(data)
    with pytest.raises(LostRecordError):
        read_record(tmp_path)


@pytest.mark.parametrize("size", [0, 100, HEAD_AT, HEAD_AT + 9, RECORD_AT, RECORD_AT + 5])
def test_a_record_that_was_cut_is_lost(tmp_path: Path, size: int) -> None:
    """Wherever, and also once the file has its size again."""
    record = RecordFile(tmp_path)
    record.write(b"".join(map(item_of, LACKS)))
    record.close()
    os.truncate(tmp_path / WITNESS, size)
    with pytest.raises(LostRecordError):
        read_record(tmp_path)
    if size:
        RecordFile(tmp_path).close()
        with pytest.raises(LostRecordError):
            read_record(tmp_path)


def test_without_a_witness_nothing_was_missed(tmp_path: Path) -> None:
    assert read_record(tmp_path) == []
    RecordFile(tmp_path).close()
    assert read_record(tmp_path) == []


def test_a_folder_that_was_replaced_is_not_written_to(tmp_path: Path) -> None:
    """By the child, which has put it aside or copied it."""
    record = RecordFile(tmp_path)
    (tmp_path / WITNESS).unlink()
    with pytest.raises(FileNotFoundError):
        record.append(item_of(LACKS[0]))
    record.close()


def test_what_is_written_half_does_not_count(tmp_path: Path) -> None:
    """A kill between the items and their head leaves the record before."""
    record = RecordFile(tmp_path)
    record.write(item_of(LACKS[0]))
    record.close()
    end = RECORD_AT + len(item_of(LACKS[0]))
    with (tmp_path / WITNESS).open("r+b") as stream:
        stream.seek(end)
        stream.write(item_of(LACKS[1])[:5])
    assert read_record(tmp_path) == LACKS[:1]
