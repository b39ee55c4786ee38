"""What no RocksDB has made in its folder: links, pipes, folders, and files without an end.

With RocksDB alone a link is followed, also to write; a pipe waits for ever; and a small file of
1 GiB is read into memory.
"""

from __future__ import annotations

import os
import random
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.l3.folder import CURRENT, FOLDER, LOCK
from sidecar.l3.record import _HEAD, LostRecordError, read_record
from sidecar.l3.witness import FILE_BYTES, HEAD_AT, MAGIC, RECORD_AT, WITNESS, sealed
from tests.l3.children import RunningChild, put
from tests.l3.conftest import StartChild

MOST_BYTES = 128 << 20
"""The most resident memory of the child; without a stranger it has 65 MiB."""

Make = Callable[[Path, Path], object]


def _sparse(path: Path, _: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


STRANGERS: dict[str, Make] = {
    "link": lambda path, elsewhere: path.symlink_to(elsewhere / "file"),
    "dangling": lambda path, elsewhere: path.symlink_to(elsewhere / "nothing"),
    "zero": lambda path, _: path.symlink_to("/dev/zero"),
    "pipe": lambda path, _: os.mkfifo(path),
    "folder": lambda path, _: (path / "below").mkdir(parents=True),
    "large": _sparse,
}


@pytest.fixture
def data_dir(tmp_path: Path, start_child: StartChild) -> Path:
    """A folder with tables and a log."""
    rng = random.Random(20250601)
    data_dir = tmp_path / "data"
    for _ in range(2):
        child = start_child(data_dir)
        child.hello()
        child.send(*(put(b"ns/%d" % n, rng.randbytes(400), n) for n in range(1, 50)))
        child.answers(writes=49)
        assert child.close() == 0
    return data_dir


def peak_bytes(child: RunningChild) -> int:
    status = Path(f"/proc/{child.process.pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_stranger_is_removed_whatever_its_name(
    data_dir: Path, tmp_path: Path, start_child: StartChild, kind: str
) -> None:
    """One of each kind of RocksDB's files, and a name that it does not know. What is missing then
    is noticed as always.
    """
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("precious")
    folder = data_dir / FOLDER
    found = {re.sub(r"\d+", "N", path.name): path.name for path in folder.iterdir()}
    for name in [*sorted(found.values()), "nobody's"]:
        start_child(data_dir).close()
        path = folder / name
        path.unlink(missing_ok=True)
        STRANGERS[kind](path, elsewhere)
        child = start_child(data_dir)
        child.hello()
        child.put(b"ns/new", b"value")
        assert child.values([b"ns/new"]) == [b"value"]
        assert peak_bytes(child) < MOST_BYTES, name
        assert child.close() == 0
        assert [it.name for it in elsewhere.iterdir()] == ["file"], name
        assert (elsewhere / "file").read_text() == "precious", name
        assert all(it.is_file() and not it.is_symlink() for it in folder.iterdir()), name


def test_a_lock_that_is_a_link_is_not_followed(
    data_dir: Path, tmp_path: Path, start_child: StartChild
) -> None:
    """Not either while L3 is set aside, which takes the lock without RocksDB."""
    (data_dir / FOLDER / CURRENT).write_text("nonsense")
    (data_dir / FOLDER / LOCK).unlink()
    (data_dir / FOLDER / LOCK).symlink_to(tmp_path / "nothing")
    child = start_child(data_dir)
    assert child.hello().wiped
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("size", "data"),
    [
        (0xFFFFFFFF, b""),
        (8, (1 << 31).to_bytes(4, "little") + b"abcd"),
        (5, b"\x01\x00\x00\x00\xc1"),
        (6, b"\x02\x00\x00\x00\x91\x07"),
    ],
    ids=["too large", "a part too large", "no MessagePack", "no write"],
)
def test_a_record_that_was_made_up_is_lost(tmp_path: Path, size: int, data: bytes) -> None:
    """Whatever size it claims to have, it takes no memory for it."""
    with (tmp_path / WITNESS).open("wb") as file:
        file.truncate(FILE_BYTES)
        file.seek(HEAD_AT)
        file.write(sealed(_HEAD.pack(MAGIC, size, zlib.crc32(data), False)))
        file.seek(RECORD_AT)
        file.write(data)
    with pytest.raises(LostRecordError):
        read_record(tmp_path)
