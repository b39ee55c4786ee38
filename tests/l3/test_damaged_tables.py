"""A damaged block costs the entries in it, and no others."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from pathlib import Path

import pytest
from rocksdict import WriteBatch

from sidecar.l3 import wire
from sidecar.l3.batch import COUNTS_ROW
from sidecar.l3.database import Database
from sidecar.l3.engine import Engine
from sidecar.l3.folder import COPY, FOLDER, QUARANTINE
from sidecar.l3.record import RecordFile, item_of
from sidecar.l3.records import disk_key
from sidecar.model.answers import Record
from sidecar.model.writes import Delete, Invalidate
from tests.l3.children import RunningChild, put
from tests.l3.conftest import StartChild

SEED = 20261130
COUNT = 2000


@pytest.fixture
def contents(tmp_path: Path, start_child: StartChild) -> dict[bytes, bytes | None]:
    """What L3 has in tables: values, some of them replaced or deleted, and an invalidation."""
    rng = random.Random(SEED)
    child = start_child(tmp_path)
    child.hello()
    current: dict[bytes, bytes | None] = {}
    for seq in range(1, COUNT + 1):
        key = b"ns/%d" % rng.randrange(COUNT // 2)
        value = None if rng.random() < 0.1 else rng.randbytes(4000)
        current[key] = value
        child.send(Delete(key, seq) if value is None else put(key, value, seq))
        child.answers(writes=1)
    child.send(put(b"gone/1", b"value", COUNT + 1), Invalidate(b"gone/", COUNT + 2))
    child.answers(writes=2)
    current[b"gone/1"] = None
    assert child.close() == 0
    return current


def damage(folder: Path) -> None:
    """Overwrite a few bytes of a block in every table of values."""
    tables = [file for file in folder.glob("*.sst") if file.stat().st_size > 500_000]
    assert tables
    for table in tables:
        with table.open("r+b") as stream:
            stream.seek(table.stat().st_size // 2)
            stream.write(b"\xaa" * 20)


def note_damage(folder: Path) -> None:
    """Let the next start make a copy."""
    database = Database(folder)
    database.note_damage()
    database.release()


def read_all(child: RunningChild, current: dict[bytes, bytes | None]) -> int:
    """Read all keys, many at a time; returns how many values are missing. None is another one."""
    missing = 0
    keys = list(current)
    for start in range(0, len(keys), 50):
        asked = keys[start:][:50]
        child.send(reads=asked)
        answers, _ = child.answers(reads=len(asked))
        for key, answer in zip(asked, answers, strict=True):
            found = answer.value if isinstance(answer, Record) else None
            missing += found != current[key]
            assert found in (current[key], None)
    return missing


def test_only_what_is_in_the_block_is_missing(
    tmp_path: Path, contents: dict[bytes, bytes | None]
) -> None:
    """Not what is read together with it."""
    damage(tmp_path / FOLDER)
    database = Database(tmp_path / FOLDER)
    engine = Engine(database, random.Random(SEED))
    missing = 0
    keys = list(contents)
    for start in range(0, len(keys), 50):
        asked = keys[start:][:50]
        for key, row in zip(asked, engine.read(asked), strict=True):
            found = None if row is None else wire.decode_record(row).value
            missing += found != contents[key]
            assert found in (contents[key], None)
    assert 0 < missing == engine.damaged < 0.05 * COUNT
    database.release()


def test_a_compaction_that_meets_it_is_followed_by_a_copy(
    tmp_path: Path, start_child: StartChild, contents: dict[bytes, bytes | None]
) -> None:
    """RocksDB writes no more then: the child says so, and the next one has what could be read."""
    damage(tmp_path / FOLDER)
    child = start_child(tmp_path)
    child.hello()
    with suppress(BrokenPipeError):
        for seq in range(10_000, 10_020):  # a single table would not be rewritten
            child.send(put(b"ns/other%d" % seq, b"value", seq))
        child.send(call=wire.Rewrite())
        for seq in range(20_000, 40_000):
            child.send(put(b"ns/new", b"value", seq))
            time.sleep(0.001)
    reason, message = child.fault()
    assert "what can be read is copied" in message
    assert reason == "corrupt"
    child.close()
    again = start_child(tmp_path)
    status = again.hello()
    assert "could not be read" in status.gone  # memory must not believe that L3 has what it had
    assert not status.wiped
    lost = read_all(again, contents)
    assert 0 < lost < 0.05 * COUNT
    there = sum(value is not None for value in contents.values())
    assert there - lost <= status.entries <= there + 22
    assert again.close() == 0
    assert not (tmp_path / COPY).exists()
    assert not (tmp_path / QUARANTINE).exists()


def test_damaged_metadata_puts_everything_aside(
    tmp_path: Path, start_child: StartChild, contents: dict[bytes, bytes | None]
) -> None:
    """Nobody knows then which value is the current one."""
    del contents
    note_damage(tmp_path / FOLDER)
    for table in (tmp_path / FOLDER).glob("*.sst"):
        if table.stat().st_size < 500_000:
            with table.open("r+b") as stream:
                stream.write(b"\xaa" * 64)
    reason, message = start_child(tmp_path).fault()
    assert reason == "corrupt"
    assert "set aside" in message
    child = start_child(tmp_path)
    assert child.hello().entries == 0
    assert (tmp_path / QUARANTINE).exists()


def set_row(folder: Path, family: str, key: bytes, row: bytes) -> None:
    """Change a row, of which RocksDB's own checksums are right."""
    database = Database(folder)
    batch = WriteBatch(raw_mode=True)
    families = {"meta": database.meta_family, "value": database.value_family}
    batch.put(key, row, families.get(family))
    database.write(batch, sync=False)
    database.close()


@pytest.mark.parametrize("work", ["read many", "list", "sweep", "put"])
def test_metadata_that_is_cut_costs_its_entry(
    tmp_path: Path, start_child: StartChild, contents: dict[bytes, bytes | None], work: str
) -> None:
    """Whoever meets it first: the next start has a copy without it, or without all of its kind."""
    key = next(key for key, value in contents.items() if value is not None)
    set_row(tmp_path / FOLDER, "meta", disk_key(key), b"\x01")
    child = start_child(tmp_path)
    child.hello()
    with suppress(BrokenPipeError):
        match work:
            case "read many":
                child.send(reads=list(contents))
            case "list":
                for start in range(256):
                    child.send(call=wire.ListKeys(b"ns/", bytes([start]), 1000))
            case "put":
                child.send(put(key, b"new", COUNT + 9))
            case "sweep":
                child.send(Invalidate(b"another/", COUNT + 9))
    reason, message = child.fault()
    assert reason == "corrupt"
    assert "what can be read is copied" in message
    child.close()
    again = start_child(tmp_path)
    assert "1 could not be read" in again.hello().gone
    assert read_all(again, contents) == 1
    assert again.close() == 0


def test_counters_that_are_none_put_everything_aside(
    tmp_path: Path, start_child: StartChild, contents: dict[bytes, bytes | None]
) -> None:
    """The numbers of the writes to come depend on them."""
    del contents
    set_row(tmp_path / FOLDER, "state", COUNTS_ROW, b"\x93\0\0\xff")
    assert start_child(tmp_path).fault()[0] == "corrupt"
    reason, message = start_child(tmp_path).fault()
    assert reason == "corrupt"
    assert "set aside" in message
    assert start_child(tmp_path).hello().entries == 0


def test_without_room_for_a_copy_everything_is_put_aside(
    tmp_path: Path, start_child: StartChild, contents: dict[bytes, bytes | None]
) -> None:
    """The limit of the folder holds in any case."""
    del contents
    note_damage(tmp_path / FOLDER)
    child = start_child(tmp_path, limit=7 << 20)
    assert child.hello().entries == 0
    assert (tmp_path / QUARANTINE).exists()


def test_a_copy_has_the_record_of_what_was_missed(
    tmp_path: Path, start_child: StartChild, contents: dict[bytes, bytes | None]
) -> None:
    """What was deleted while L3 was away is not in it; and it is no empty database."""
    gone = next(key for key, value in contents.items() if value is not None)
    note_damage(tmp_path / FOLDER)
    record = RecordFile(tmp_path / FOLDER)
    record.write(item_of(Delete(gone, 9 * COUNT)))
    record.close()
    child = start_child(tmp_path)
    status = child.hello()
    assert "were copied" in status.gone
    assert not status.wiped
    assert child.values([gone]) == [None]
    assert read_all(child, {**contents, gone: None}) == 0


def test_a_record_that_is_applied_again_spares_what_came_later(
    tmp_path: Path, start_child: StartChild, contents: dict[bytes, bytes | None]
) -> None:
    """It may be found by several children before it is cleared."""
    record = RecordFile(tmp_path / FOLDER)
    record.write(item_of(Invalidate(b"ns/", 9 * COUNT)))
    record.close()
    child = start_child(tmp_path)
    child.hello()
    assert child.values(list(contents)[:50]) == [None] * 50
    child.put(b"ns/1", b"later", 10 * COUNT)
    child.kill()
    again = start_child(tmp_path)
    again.hello()
    assert again.values([b"ns/1", b"ns/2"]) == [b"later", None]
