"""A history with a hole is noticed, whatever was lost: no older version comes back.

Every case damages, cuts or deletes a part of the log, or the witness, after a kill -9.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.l3.database import WITNESS_ROW, Database
from sidecar.l3.folder import FOLDER
from sidecar.l3.witness import FILE_BYTES, MARK_BYTES, WITNESS, boot_id, read_mark, sealed
from sidecar.model.writes import Delete
from tests.l3.children import RunningChild, put
from tests.l3.conftest import StartChild

SEED = 20261129
KEYS = 300
OLD, NEW = b"old" * 500, b"new" * 500


def write_history(child: RunningChild) -> dict[bytes, bytes | None]:
    """Put all keys, then replace or delete them, over several logs; returns what is current."""
    rng = random.Random(SEED)
    keys = [b"ns/%d" % number for number in range(KEYS)]
    current: dict[bytes, bytes | None] = dict.fromkeys(keys, OLD)
    for seq, key in enumerate(keys, 1):
        child.send(put(key, OLD, seq))
    child.answers(writes=KEYS)
    fillers = 0
    for seq, key in enumerate(keys, 1000):
        current[key] = rng.choice([NEW, None])
        child.send(Delete(key, seq) if current[key] is None else put(key, NEW, seq))
        if seq % 12 == 0:  # another log is begun
            for _ in range(4):
                fillers += 1
                child.send(put(b"ns/filler%d" % fillers, rng.randbytes(1 << 18), 5000 + fillers))
    child.answers(writes=KEYS + fillers)
    return current


@pytest.fixture
def killed(tmp_path: Path, start_child: StartChild) -> tuple[Path, dict[bytes, bytes | None]]:
    """A folder after a kill -9, and what is in it."""
    child = start_child(tmp_path)
    child.hello()
    current = write_history(child)
    child.kill()
    return tmp_path, current


def logs(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.log"), key=lambda file: int(file.stem))
    return [file for file in found if file.stat().st_size]


def manifest(folder: Path) -> Path:
    return folder / (folder / "CURRENT").read_text().strip()


def zero(manifest: Path, records: int) -> None:
    """Its last records are zeros, as after the crash of a file system."""
    size = manifest.stat().st_size
    shorten(manifest, records)
    os.truncate(manifest, size)


def shorten(manifest: Path, records: int) -> None:
    """Cut off its last records. Each has a head of 7 bytes, with its length in the fifth and sixth;
    all are in the first block of 32 KiB.
    """
    data, ends = manifest.read_bytes(), [0]
    while ends[-1] < len(data):
        ends.append(ends[-1] + 7 + int.from_bytes(data[ends[-1] + 4 :][:2], "little"))
    assert ends[-1] == len(data) < 32 << 10
    os.truncate(manifest, ends[-1 - records])


def overwrite(file: Path, at: float, data: bytes) -> None:
    with file.open("r+b") as stream:
        stream.seek(int(file.stat().st_size * at))
        stream.write(data)


def cut(file: Path, at: float) -> None:
    os.truncate(file, int(file.stat().st_size * at))


DAMAGE: dict[str, Callable[[Path], None]] = {
    "the last log is cut": lambda folder: cut(logs(folder)[-1], 0.5),
    "the last log is zeroed": lambda folder: overwrite(logs(folder)[-1], 0.3, bytes(4096)),
    "the last log is flipped": lambda folder: overwrite(logs(folder)[-1], 0.6, b"\xaa" * 9),
    "the last log is emptied": lambda folder: cut(logs(folder)[-1], 0.0),
    "the last log is gone": lambda folder: logs(folder)[-1].unlink(),
    "the first log is cut": lambda folder: cut(logs(folder)[0], 0.5),
    "the first log is flipped": lambda folder: overwrite(logs(folder)[0], 0.4, b"\xaa" * 9),
    "the first log is emptied": lambda folder: cut(logs(folder)[0], 0.0),
    "the first log is gone": lambda folder: logs(folder)[0].unlink(),
    "all logs are gone": lambda folder: _unlink(logs(folder)),
    "the manifest lacks a record": lambda folder: shorten(manifest(folder), 1),
    "the manifest lacks two records": lambda folder: shorten(manifest(folder), 2),
    "the manifest lacks four records": lambda folder: shorten(manifest(folder), 4),
    "the manifest lacks most records": lambda folder: shorten(manifest(folder), 12),
    "the manifest ends with a zeroed record": lambda folder: zero(manifest(folder), 1),
    "the manifest ends with five zeroed records": lambda folder: zero(manifest(folder), 5),
    "the manifest ends with six zeroed records": lambda folder: zero(manifest(folder), 6),
    "the manifest lacks a byte": lambda folder: cut(manifest(folder), 0.99999),
    "the witness is gone": lambda folder: (folder / WITNESS).unlink(),
    "the witness is empty": lambda folder: os.truncate(folder / WITNESS, 0),
    "the witness is zeroed": lambda folder: overwrite(folder / WITNESS, 0.0, bytes(FILE_BYTES)),
    "the witness is flipped": lambda folder: overwrite(folder / WITNESS, 0.0, b"\xaa" * 30),
    "the witness is a link": lambda folder: _link(folder / WITNESS),
}


def _unlink(files: list[Path]) -> None:
    for file in files:
        file.unlink()


def _link(file: Path) -> None:
    copy = file.rename(file.with_name("elsewhere"))
    file.symlink_to(copy)


@pytest.mark.parametrize("damage", DAMAGE)
def test_no_older_version_comes_back(
    killed: tuple[Path, dict[bytes, bytes | None]], start_child: StartChild, damage: str
) -> None:
    """Everything is current, or nothing is left."""
    data_dir, current = killed
    DAMAGE[damage](data_dir / FOLDER)
    child = start_child(data_dir)
    wiped = child.hello().wiped
    values = child.values(list(current))
    assert values == ([None] * KEYS if wiped else list(current.values()))
    child.put(b"ns/later", b"value", 9999)
    child.kill()
    again = start_child(data_dir)
    assert not again.hello().wiped
    assert again.values([b"ns/later"]) == [b"value"]


def test_a_kill_is_no_hole(
    killed: tuple[Path, dict[bytes, bytes | None]], start_child: StartChild
) -> None:
    """Nor are many in a row, while it writes."""
    data_dir, current = killed
    for life in range(4):
        child = start_child(data_dir)
        assert not child.hello().wiped
        assert child.values(list(current)) == list(current.values())
        for number in range(50):
            child.send(put(b"ns/life%d" % life, bytes(1000), 20_000 + life * 100 + number))
        child.kill()


def test_a_folder_from_before_there_was_a_witness_gets_one(
    killed: tuple[Path, dict[bytes, bytes | None]], start_child: StartChild
) -> None:
    """A database without the row that says so has all that it had."""
    data_dir, current = killed
    database = Database(data_dir / FOLDER)
    del database.state[WITNESS_ROW]
    database.close()
    del database
    (data_dir / FOLDER / WITNESS).unlink()
    child = start_child(data_dir)
    assert not child.hello().wiped
    assert child.values(list(current)) == list(current.values())
    assert (data_dir / FOLDER / WITNESS).exists()


def test_after_a_power_cut_only_what_was_synced_has_to_be_there(
    killed: tuple[Path, dict[bytes, bytes | None]], start_child: StartChild
) -> None:
    """With another boot identifier the log may end before the mark."""
    data_dir, _ = killed
    witness = data_dir / FOLDER / WITNESS
    marked = read_mark(data_dir / FOLDER)
    assert marked is not None
    content = witness.read_bytes()[:MARK_BYTES].replace(boot_id(), bytes(16))
    with witness.open("r+b") as stream:
        stream.write(sealed(content))
    cut(logs(data_dir / FOLDER)[-1], 0.5)
    assert not start_child(data_dir).hello().wiped
