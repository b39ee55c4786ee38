"""What L3 gives is checked: it is what was put, and lives no longer than it was given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rocksdict import WriteBatch

from sidecar.config.values import CacheConfig
from sidecar.l3 import wire
from sidecar.l3.records import disk_key
from sidecar.l3.witness import last_write
from sidecar.model.answers import Record
from sidecar.model.entry import Hit
from sidecar.store.upkeep import sweep
from tests.store.harness import Harness

KEY, OTHER = b"ns/key", b"ns/other"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    opened = Harness(tmp_path / "db", CacheConfig(), seed=1)
    yield opened
    opened.close()


def put(harness: Harness, key: bytes, value: bytes, ttl_seconds: float = 60.0) -> None:
    harness.run(harness.store.put(key, value, "text/plain", ttl_seconds))


def get(harness: Harness, key: bytes) -> bytes | None:
    hit = harness.run(harness.store.get(key))
    return None if hit is None else hit.value


def restart(harness: Harness) -> None:
    harness.stop()
    harness.start()


def row_of(harness: Harness, key: bytes) -> bytes:
    row: bytes | None = harness.database.value.get(disk_key(key))
    assert row is not None
    return row


def set_row(harness: Harness, key: bytes, row: bytes) -> None:
    """Change a row, as a fault of the software would: RocksDB's own checksums are right."""
    batch = WriteBatch(raw_mode=True)
    batch.put(disk_key(key), row, harness.database.value_family)
    harness.database.write(batch, sync=False)


def changed(row: bytes, **fields: object) -> bytes:
    record = wire.decode_record(row)
    for name, value in fields.items():
        setattr(record, name, value)
    return wire.encode_record(record)


@pytest.mark.parametrize(
    "fields",
    [
        {"value": b"walue"},
        {"content_type": "text/html"},
        {"gone_at": 2e9},
        {"created_at": 1.0},
        {"seq": 99},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_record_that_was_changed_is_a_miss(harness: Harness, fields: dict[str, object]) -> None:
    """It is counted, deleted, and can be put again."""
    put(harness, KEY, b"value")
    restart(harness)
    set_row(harness, KEY, changed(row_of(harness, KEY), **fields))
    assert get(harness, KEY) is None
    assert harness.store.stats.damaged == 1
    put(harness, KEY, b"new")
    restart(harness)
    assert get(harness, KEY) == b"new"
    assert harness.store.stats.damaged == 0


ROWS = {
    "empty": b"",
    "no MessagePack": b"\xc1",
    "no array": b"\xa5value",
    "too few fields": b"\x93\x01\x02\x03",
    "a fraction": b"\x96\xcb\x3f\xf8\0\0\0\0\0\0\0\0\xa0\0\xc4\0",
    "no text": b"\x96\x07\0\0\xa1\xff\0\xc4\0",
    "a negative number": b"\x96\xff\0\0\xa0\0\xc4\0",
    "a number without successors": b"\x96\xcf" + b"\xff" * 8 + b"\0\0\xa0\0\xc4\0",
    "more fields, one of them deep": (
        b"\x98\x07\xcb"
        + bytes(8)
        + b"\xcb\x7f\xf0"
        + bytes(6)
        + b"\xa0\x01\xc4\x01v\0"
        + b"\x91" * 2000
        + b"\xc0"
    ),
    "a negative size": b"\x96\x07\0\0\xa0\xff\xc4\0",
    "a size beyond any": b"\x96\x07\0\0\xa0\xcf" + b"\x7f" * 8 + b"\xc4\0",
}


@pytest.mark.parametrize("is_invalidating", [False, True])
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_that_is_no_record_is_a_miss(
    harness: Harness, row: bytes, is_invalidating: bool
) -> None:
    """It is counted, deleted, and can be put again, and the entries that are read with it come."""
    put(harness, KEY, b"value")
    put(harness, OTHER, b"other")
    if is_invalidating:  # L3 itself looks at the row then
        harness.run(harness.store.invalidate(b"another/"))
    restart(harness)
    set_row(harness, KEY, row)

    async def both() -> list[Hit | None]:
        return await asyncio.gather(*map(harness.store.get, (KEY, OTHER)))

    damaged, other = harness.run(both())
    assert damaged is None
    assert other is not None
    assert harness.store.stats.damaged == 1
    assert get(harness, KEY) is None
    assert harness.store.stats.damaged == 1
    put(harness, KEY, b"new")
    restart(harness)
    assert get(harness, KEY) == b"new"


def test_the_record_of_another_key_is_a_miss(harness: Harness) -> None:
    """Every record is bound to its key."""
    put(harness, KEY, b"value")
    put(harness, OTHER, b"other")
    restart(harness)
    set_row(harness, KEY, row_of(harness, OTHER))
    assert get(harness, KEY) is None
    assert get(harness, OTHER) == b"other"


def test_a_record_from_before_there_were_checksums_is_read(harness: Harness) -> None:
    put(harness, KEY, b"value")
    restart(harness)
    record = wire.decode_record(row_of(harness, KEY))
    assert isinstance(record, Record)
    assert record.checksum
    set_row(harness, KEY, changed(row_of(harness, KEY), checksum=0))
    assert get(harness, KEY) == b"value"


# ---- a clock that was ahead

MONTH = 30 * 86400.0


def test_what_was_put_while_the_clock_was_ahead_lives_as_long_as_it_was_given(
    harness: Harness,
) -> None:
    """From when it is read with the right clock; also in the next process."""
    harness.now += MONTH
    put(harness, KEY, b"value", 60.0)
    harness.now -= MONTH
    restart(harness)
    assert get(harness, KEY) == b"value"
    harness.now += 50.0
    assert get(harness, KEY) == b"value"
    restart(harness)
    assert get(harness, KEY) == b"value"
    harness.now += 11.0
    assert get(harness, KEY) is None
    restart(harness)
    assert get(harness, KEY) is None


@pytest.mark.parametrize("entries", [100, 0], ids=["in L1", "in L2"])
def test_memory_is_redated_when_the_clock_is_set_back(harness: Harness, entries: int) -> None:
    """In the tier where it is, and in L3."""
    harness.now += MONTH
    put(harness, KEY, b"value", 60.0)
    tiers = CacheConfig().tiers
    l1 = replace(tiers.l1, max_entries=entries)
    harness.reconfigure(replace(CacheConfig(), tiers=replace(tiers, l1=l1)))
    harness.now -= MONTH
    harness.run(sweep(harness.store))
    harness.now += 50.0
    assert get(harness, KEY) == b"value"
    harness.now += 11.0
    assert get(harness, KEY) is None
    restart(harness)
    assert get(harness, KEY) is None


def test_what_was_missed_with_a_clock_set_back_is_later_all_the_same(harness: Harness) -> None:
    """A delete while L3 is away, by a process that has not seen how far L3's numbers have come."""
    put(harness, KEY, b"value")
    harness.now -= MONTH
    harness.stop()
    harness.start_without_l3()
    harness.store.number_after(last_write(harness.folder))
    harness.run_unserved(harness.store.delete(KEY))
    harness.open_l3()
    assert get(harness, KEY) is None
    restart(harness)
    assert get(harness, KEY) is None
