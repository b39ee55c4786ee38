"""Opening L3 with a folder in any state: reported, repaired, or waited for; never stale.

More than 300 lines in one file, since each case is a folder in another state.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from sidecar.l3 import opening, wire
from sidecar.l3.batch import Counts
from sidecar.l3.database import FORMAT, FORMAT_ROW, Database
from sidecar.l3.engine import Engine
from sidecar.l3.folder import FOLDER, QUARANTINE, TRASH
from sidecar.l3.opening import QUARANTINE_BYTES
from sidecar.l3.records import grace_of, marks_of, pack_meta, pack_value, tail_of, unpack_meta
from sidecar.model.terms import Terms, mark_of, terms
from sidecar.model.writes import Put
from tests.l3.children import RunningChild, put
from tests.l3.conftest import StartChild
from tests.l3.record import lose_record

NOBODY = 65532


@pytest.fixture
def data_dir(tmp_path: Path, start_child: StartChild) -> Path:
    """A folder whose L3 has 2,000 entries, some in tables and some in the log."""
    rng = random.Random(20240612)
    data_dir = tmp_path / "data"
    child = start_child(data_dir)
    child.hello()
    for start in range(1, 2001, 200):
        child.send(*(put(b"ns/%d" % n, rng.randbytes(4000), n) for n in range(start, start + 200)))
        child.answers(writes=200)
    assert child.close() == 0
    return data_dir


def starts_empty(start_child: StartChild, data_dir: Path) -> RunningChild:
    """The child reports that L3 was emptied, has no entries, and keeps new ones."""
    child = start_child(data_dir)
    hello = child.hello()
    assert hello.wiped
    assert (hello.entries, hello.used_bytes) == (0, 0)
    assert child.values([b"ns/1", b"ns/1999"]) == [None, None]
    child.put(b"ns/new", b"value")
    assert child.close() == 0
    again = start_child(data_dir)
    assert not again.hello().wiped
    assert again.values([b"ns/1", b"ns/new"]) == [None, b"value"]
    return again


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


# ---- a volume that others write to


@pytest.mark.parametrize("name", [QUARANTINE, TRASH])
@pytest.mark.parametrize("damaged", [False, True])
def test_a_link_is_not_followed(
    data_dir: Path, tmp_path: Path, start_child: StartChild, name: str, *, damaged: bool
) -> None:
    """Nothing is deleted where it leads, at an ordinary start and when L3 has to be set aside."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    precious = [elsewhere / "000001.sst", elsewhere / "000002.log", elsewhere / "large"]
    for file in precious:
        file.write_bytes(b"precious")
    os.truncate(precious[-1], QUARANTINE_BYTES + 1)
    (data_dir / name).symlink_to(elsewhere)
    if damaged:
        (data_dir / FOLDER / "CURRENT").write_text("nonsense")
    child = start_child(data_dir)
    assert child.hello().wiped == damaged
    assert all(file.exists() for file in precious)
    assert not (data_dir / name).is_symlink()


def test_nobody_else_reads_the_volume(data_dir: Path) -> None:
    """It has the application's values."""
    for path in [data_dir, *data_dir.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_the_folders_of_an_earlier_version_are_narrowed(
    data_dir: Path, tmp_path: Path, start_child: StartChild
) -> None:
    """A folder that has been none of L3's keeps its rights: it may be for something else too."""
    for folder in (data_dir, data_dir / FOLDER):
        folder.chmod(0o755)
    start_child(data_dir).hello()
    assert [stat.S_IMODE(it.stat().st_mode) for it in (data_dir, data_dir / FOLDER)] == [0o700] * 2
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    start_child(shared).hello()
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    assert stat.S_IMODE((shared / FOLDER).stat().st_mode) == 0o700


# ---- locks


def test_a_lock_held_for_a_moment_is_waited_for(data_dir: Path, start_child: StartChild) -> None:
    """A killed predecessor may take a moment to end; then the next one opens the folder."""
    first = start_child(data_dir)
    first.hello()
    second = start_child(data_dir)
    second.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        second.receive()
    first.kill()
    second.socket.settimeout(30)
    assert second.hello().entries == 2000


@pytest.mark.parametrize("empty", [False, True])
def test_a_lock_held_for_long_is_told(data_dir: Path, start_child: StartChild, empty: bool) -> None:
    """Two sidecars on one folder: the second reports what to do, and deletes nothing meanwhile."""
    first = start_child(data_dir)
    first.hello()
    second = start_child(data_dir, empty=empty)
    reason, message = second.fault()
    assert reason == "locked"
    assert "give each sidecar its own directory" in message
    assert second.process.wait(30) == 1
    assert first.values([b"ns/2000"]) != [None]


# ---- formats


def format_row(data_dir: Path) -> bytes | None:
    """The mark, read while no process has the folder open."""
    database = Database(data_dir / FOLDER)
    row: bytes | None = database.state.get(FORMAT_ROW)
    database.close()
    return row


def set_format_row(data_dir: Path, row: bytes | None, *, in_a_table: bool = False) -> None:
    """Change or remove the mark."""
    database = Database(data_dir / FOLDER)
    if row is None:
        del database.state[FORMAT_ROW]
    else:
        database.state[FORMAT_ROW] = row
    if in_a_table:
        database.state.flush()
    database.close()


def test_a_folder_from_before_there_were_marks_is_opened_and_marked(
    data_dir: Path, start_child: StartChild
) -> None:
    """All entries are there, and the mark has the current version."""
    set_format_row(data_dir, None)
    assert format_row(data_dir) is None
    child = start_child(data_dir)
    hello = child.hello()
    assert (hello.wiped, hello.entries) == (False, 2000)
    assert child.close() == 0
    assert format_row(data_dir) == FORMAT.to_bytes(4, "little")


def test_a_new_folder_is_marked(tmp_path: Path, start_child: StartChild) -> None:
    """A mark exists from the first start on."""
    child = start_child(tmp_path)
    child.hello()
    assert child.close() == 0
    assert format_row(tmp_path) == FORMAT.to_bytes(4, "little")


def test_a_folder_of_a_newer_format_is_put_aside_and_told(
    data_dir: Path, start_child: StartChild
) -> None:
    """The first child reports the format that it found, and ends; the second starts empty."""
    set_format_row(data_dir, (FORMAT + 1).to_bytes(4, "little"))
    reason, message = start_child(data_dir).fault()
    assert reason == "corrupt"
    assert f"format {FORMAT + 1}" in message
    assert "set aside" in message
    assert QUARANTINE in names(data_dir)
    starts_empty(start_child, data_dir)


def a_tagged() -> Terms:
    found = terms("n", tags=("red", "blue"), if_error=30.0)
    assert found is not None
    return found


def test_rows_without_terms_are_those_of_earlier_versions() -> None:
    """Entries that are on the volume stay readable, and rows of plain entries grow by nothing."""
    meta = (7, 2.0, 1.0, 3, 64)
    assert pack_meta(meta) == struct.pack("<QddII", *meta)
    assert unpack_meta(pack_meta(meta)) == meta
    assert (grace_of(meta), marks_of(meta)) == (0.0, [])
    record = pack_value(Put(b"n/k", 7, 1.0, 2.0, "t", 1, b"v", 5))
    assert record == msgspec.msgpack.encode([7, 1.0, 2.0, "t", 1, b"v", 5])
    assert wire.decode_record(record).terms == b""


def test_rows_that_a_later_version_has_extended_are_read() -> None:
    """Fields at the end of a row or a record are ignored."""
    put = Put(b"n/k", 7, 1.0, 2.0, "t", 1, b"v", 5, a_tagged().bytes)
    row = pack_meta((7, 2.0, 1.0, 3, 64, tail_of(put))) + b"more"
    meta = unpack_meta(row)
    assert meta[:5] == (7, 2.0, 1.0, 3, 64)
    assert (grace_of(meta), marks_of(meta)) == (30.0, [mark_of("n", "red"), mark_of("n", "blue")])
    assert pack_meta(meta) == row
    longer = msgspec.msgpack.encode([7, 1.0, 2.0, "t", 1, b"v", 5, b"", "more"])
    assert wire.decode_record(longer).value == b"v"
    shorter = msgspec.msgpack.encode([7, 1.0, 2.0, "t", 1, b"v"])  # from before the checksum
    assert wire.decode_record(shorter).checksum == 0
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([1, 2, 3, 4]), type=Counts).max_seq == 3


# ---- folders that can't be written


def test_a_file_in_place_of_the_folder_is_denied(tmp_path: Path, start_child: StartChild) -> None:
    """This holds for the folder of L3 and for all folders above it."""
    (tmp_path / "l3").touch()
    for data_dir in (tmp_path, tmp_path / "l3" / "below"):
        reason, message = start_child(data_dir).fault()
        assert reason == "denied"
        assert "a file is in the place of a directory" in message


def test_a_folder_of_somebody_else_is_denied(start_child: StartChild) -> None:
    """The sidecar runs as another user, with and without a database there."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        data_dir.chmod(0o755)
        reason, message = start_child(data_dir, uid=NOBODY).fault()
        assert reason == "denied"
        assert "check its owner, mode and mount" in message
        child = start_child(data_dir)
        child.hello()
        child.close()
        assert start_child(data_dir, uid=NOBODY).fault()[0] == "denied"
        assert not start_child(data_dir).hello().wiped


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[Path]:
    """A file system of 20 MiB."""
    volume = tmp_path / "volume"
    volume.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", volume], check=True)
    yield volume
    subprocess.run(["umount", "--lazy", volume], check=True)


def test_a_full_volume_is_told(small_volume: Path, start_child: StartChild) -> None:
    """While writing and when opening. With room again, it can be emptied."""
    child = start_child(small_volume)
    child.hello()
    rng = random.Random(20240613)
    with suppress(BrokenPipeError):
        for n in range(1, 41):
            child.send(put(b"ns/%d" % n, rng.randbytes(1 << 20), n))
    reason, message = child.fault()
    assert reason == "full"
    assert "free space on it or enlarge it" in message
    child.close()
    filler = small_volume / "filler"
    _fill(filler)
    assert start_child(small_volume).fault()[0] == "full"
    filler.unlink()
    child = start_child(small_volume, empty=True)
    assert child.hello().entries == 0
    child.put(b"ns/new", b"value")


def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_read_only_volume_is_denied(small_volume: Path, start_child: StartChild) -> None:
    """With a database on it or without."""
    child = start_child(small_volume)
    child.hello()
    child.close()
    subprocess.run(["mount", "-o", "remount,ro", small_volume], check=True)
    for data_dir in (small_volume, small_volume / "other"):
        reason, message = start_child(data_dir).fault()
        assert reason == "denied"
        assert "Read-only file system" in message


# ---- corruption


def _overwrite(file: Path, share: float = 0.5, size: int = 200) -> None:
    with file.open("r+b") as stream:
        stream.seek(int(file.stat().st_size * share))
        stream.write(b"\xaa" * size)


def _write(file: Path, text: str) -> None:
    file.write_text(text)


def _each(pattern: str, damage: Callable[[Path], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        files = list(folder.glob(pattern))
        assert files
        for file in files:
            damage(file)

    return apply


DAMAGE = {
    "manifest gone": _each("MANIFEST-*", Path.unlink),
    "manifest overwritten": _each("MANIFEST-*", lambda file: _overwrite(file, 0.0)),
    "manifest empty": _each("MANIFEST-*", lambda file: os.truncate(file, 0)),
    "current empty": _each("CURRENT", lambda file: os.truncate(file, 0)),
    "current gone": _each("CURRENT", Path.unlink),
    "current wrong": _each("CURRENT", lambda file: _write(file, "MANIFEST-999999\n")),
    "tables gone": _each("*.sst", Path.unlink),
    "tables short": _each("*.sst", lambda file: os.truncate(file, file.stat().st_size - 1)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_corrupt_database_starts_empty(
    data_dir: Path, start_child: StartChild, damage: str
) -> None:
    """The sidecar is told, for every kind of damage."""
    DAMAGE[damage](data_dir / FOLDER)
    starts_empty(start_child, data_dir)


def test_a_quarantine_explains_and_takes_little(data_dir: Path, start_child: StartChild) -> None:
    """RocksDB's log and manifest are kept, but not tables and values; one quarantine at a time."""
    for _ in range(2):
        DAMAGE["manifest overwritten"](data_dir / FOLDER)
        starts_empty(start_child, data_dir).end()
    kept = {file.name.rpartition("-")[0] or file.name for file in (data_dir / QUARANTINE).iterdir()}
    assert {"LOG", "MANIFEST", "OPTIONS", "CURRENT"} <= kept
    assert not [name for name in kept if name.endswith((".sst", ".log"))]
    assert names(data_dir) == [FOLDER, QUARANTINE]
    assert opening.quarantine_bytes(data_dir) == QUARANTINE_BYTES


def test_a_quarantine_that_could_not_be_kept_small_is_not_kept(
    data_dir: Path, start_child: StartChild
) -> None:
    """A large file that is not a table must not fill the volume."""
    with (data_dir / FOLDER / "notes").open("wb") as log:
        log.write(bytes(QUARANTINE_BYTES))
    DAMAGE["manifest overwritten"](data_dir / FOLDER)
    starts_empty(start_child, data_dir)
    assert not (data_dir / QUARANTINE).exists()


def test_a_format_that_cannot_be_read_is_corruption(
    data_dir: Path, start_child: StartChild
) -> None:
    """The first child reports it and sets the folder aside; the second starts empty."""
    before = set((data_dir / FOLDER).glob("*.sst"))
    set_format_row(data_dir, FORMAT.to_bytes(4, "little"), in_a_table=True)
    tables = set((data_dir / FOLDER).glob("*.sst")) - before
    assert tables
    for table in tables:
        _overwrite(table, 0.0, 16)
    reason, message = start_child(data_dir).fault()
    assert reason == "corrupt"
    assert "set aside" in message
    starts_empty(start_child, data_dir)


# ---- a lost record, and starts that are killed half-way


def test_a_lost_record_empties_l3_before_anybody_reads(
    data_dir: Path, start_child: StartChild
) -> None:
    """It is gone with what it was about."""
    lose_record(data_dir)
    starts_empty(start_child, data_dir)
    assert names(data_dir) == [FOLDER]


def test_who_could_not_record_it_says_so_at_the_start(
    data_dir: Path, start_child: StartChild
) -> None:
    """The same, but the sidecar says so instead of the volume."""
    start_child(data_dir, empty=True).hello()
    assert names(data_dir) == [FOLDER]


def test_a_lost_record_empties_a_database_that_is_corrupt_as_well(
    data_dir: Path, start_child: StartChild
) -> None:
    """The database need not be opened for that."""
    lose_record(data_dir)
    DAMAGE["manifest gone"](data_dir / FOLDER)
    starts_empty(start_child, data_dir)


KILLED = 9
START = f"""
import os, sys
from pathlib import Path
from sidecar.l3.opening import open_database

changes_left = int(sys.argv[2])

def end_at_a_change(event, arguments):
    global changes_left
    if event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir"):
        changes_left -= 1
        if changes_left < 0:
            os._exit({KILLED})

sys.addaudithook(end_at_a_change)
open_database(Path(sys.argv[1]), empty=False)
os._exit(0)
"""


@pytest.mark.parametrize("state", ["missed", "corrupt", "both"])
def test_a_start_killed_at_any_point_is_gone_on_from(
    data_dir: Path, tmp_path: Path, state: str
) -> None:
    """The kill comes before each single change of the folder. The next start never has the old
    entries, never fails, and leaves nothing behind.
    """
    if state != "corrupt":
        lose_record(data_dir)
    if state != "missed":
        DAMAGE["manifest overwritten"](data_dir / FOLDER)
    changes = 0
    while True:
        copy = tmp_path / f"copy{changes}"
        shutil.copytree(data_dir, copy)
        status = subprocess.run(
            [sys.executable, "-c", START, copy, str(changes)], check=False
        ).returncode
        database = opening.open_database(copy, empty=False).database
        engine = Engine(database, random.Random(1))
        assert engine.entries == 0
        assert engine.read([b"ns/1", b"ns/2000"]) == [None, None]
        assert set(names(copy)) <= {FOLDER, QUARANTINE}
        database.close()
        shutil.rmtree(copy)
        if status == 0:
            break
        assert status == KILLED
        changes += 1
    assert changes > 5


def test_what_is_left_of_an_emptied_folder_is_removed(
    data_dir: Path, start_child: StartChild
) -> None:
    """Half a folder that was being deleted is neither a database nor an error."""
    shutil.copytree(data_dir / FOLDER, data_dir / TRASH)
    next((data_dir / TRASH).glob("MANIFEST-*")).unlink()
    assert start_child(data_dir).hello().entries == 2000
    assert names(data_dir) == [FOLDER]
