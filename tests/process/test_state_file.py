"""State files of this version, of earlier ones and of later ones."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from sidecar.control import FILE as OPTIMIZER_FILE
from sidecar.control import remembered
from sidecar.documents.documents import FILE as DOCUMENT_FILE
from sidecar.documents.documents import KeptDocument
from sidecar.optimizer.decisions import SavedState
from sidecar.process.state_file import DAMAGED, FORMAT, load, save
from sidecar.store.warming import FILE as KEYS_FILE
from sidecar.store.warming import Hot

MOST_BYTES = 1 << 20
CONTENTS = {
    OPTIMIZER_FILE: SavedState(),
    DOCUMENT_FILE: KeptDocument({"cache.yaml": "promote_after: 3"}),
    KEYS_FILE: Hot([b"ns/1"], [b"ns/2"]),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    """The first line has the version."""
    contents = CONTENTS[name]
    save(tmp_path / name, msgspec.msgpack.encode(contents))
    assert load(tmp_path / name, type(contents), MOST_BYTES) == contents
    assert (tmp_path / name).read_bytes().startswith(b"cache-sidecar %d\n" % FORMAT)


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_without_a_version_is_read(tmp_path: Path, name: str) -> None:
    """It has the format from before versions."""
    contents = CONTENTS[name]
    (tmp_path / name).write_bytes(msgspec.msgpack.encode(contents))
    assert load(tmp_path / name, type(contents), MOST_BYTES) == contents


@pytest.mark.parametrize("name", CONTENTS)
def test_a_field_that_a_later_version_has_added_is_ignored(tmp_path: Path, name: str) -> None:
    """Fields may be added without a new version."""
    contents = CONTENTS[name]
    save(
        tmp_path / name,
        msgspec.msgpack.encode(
            {**msgspec.to_builtins(contents, builtin_types=(bytes,)), "more": 1}
        ),
    )
    assert load(tmp_path / name, type(contents), MOST_BYTES) == contents


@pytest.mark.parametrize("name", CONTENTS)
def test_a_file_of_version_1_is_read(tmp_path: Path, name: str) -> None:
    """It has no checksum."""
    contents = CONTENTS[name]
    (tmp_path / name).write_bytes(b"cache-sidecar 1\n" + msgspec.msgpack.encode(contents))
    assert load(tmp_path / name, type(contents), MOST_BYTES) == contents


@pytest.mark.parametrize("name", CONTENTS)
def test_a_damaged_file_is_put_aside(tmp_path: Path, name: str) -> None:
    """Whichever byte is another one, and wherever it ends."""
    contents = CONTENTS[name]
    save(tmp_path / name, msgspec.msgpack.encode(contents))
    whole = (tmp_path / name).read_bytes()
    damages = [whole[:length] for length in range(len(whole))]
    damages += [
        whole[:at] + bytes([byte ^ 0x80]) + whole[at + 1 :] for at, byte in enumerate(whole)
    ]
    for damaged in damages:
        (tmp_path / name).write_bytes(damaged)
        assert load(tmp_path / name, type(contents), MOST_BYTES) is None
        assert (tmp_path / (name + DAMAGED)).read_bytes() == damaged
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", CONTENTS)
def test_text_that_is_not_utf_8_is_put_aside(tmp_path: Path, name: str) -> None:
    """Also where the checksum is right, or there is none."""
    data = msgspec.msgpack.encode(
        {"texts": {"cache.yaml": "abc"}, "kept": {"abc": "abc"}, "l1": ["abc"]}
    )
    wrong = data.replace(b"abc", b"\xff\xfe\xfd")
    kind = type(CONTENTS[name])
    (tmp_path / name).write_bytes(wrong)
    assert load(tmp_path / name, kind, MOST_BYTES) is None
    save(tmp_path / name, wrong)
    assert load(tmp_path / name, kind, MOST_BYTES) is None
    assert (tmp_path / (name + DAMAGED)).exists()


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    """No link, which may lead anywhere, no pipe, which would block, no device, no folder."""
    target = tmp_path / "elsewhere"
    target.write_bytes(msgspec.msgpack.encode(SavedState()))
    file = tmp_path / OPTIMIZER_FILE
    for make in (
        lambda: file.symlink_to(target),
        lambda: file.symlink_to("/dev/zero"),
        lambda: os.mkfifo(file),
        file.mkdir,
        lambda: file.write_bytes(bytes(MOST_BYTES + 1)),
    ):
        make()
        assert load(file, SavedState, MOST_BYTES) is None
        assert not os.path.lexists(file)
        aside = tmp_path / (OPTIMIZER_FILE + DAMAGED)
        aside.rmdir() if aside.is_dir() else aside.unlink()
    assert target.exists()


def test_saving_follows_no_link(tmp_path: Path) -> None:
    """The file that a link leads to stays as it is, and the new one is for its owner alone."""
    target = tmp_path / "elsewhere"
    target.write_text("precious")
    file = tmp_path / "data" / OPTIMIZER_FILE
    save(file, b"")
    scratch = file.with_suffix(".new")
    makers: list[Callable[[], object]] = [
        lambda: scratch.symlink_to(target),
        lambda: os.mkfifo(scratch),
    ]
    for make in makers:
        make()
        save(file, msgspec.msgpack.encode(SavedState()))
        assert load(file, SavedState, MOST_BYTES) == SavedState()
    file.unlink()
    file.symlink_to(target)
    save(file, msgspec.msgpack.encode(SavedState()))
    assert target.read_text() == "precious"
    assert load(file, SavedState, MOST_BYTES) == SavedState()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_file_of_a_newer_version_is_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program logs one line, and starts without it."""
    (tmp_path / OPTIMIZER_FILE).write_bytes(
        b"cache-sidecar %d\n" % (FORMAT + 1) + msgspec.msgpack.encode(SavedState())
    )
    assert remembered(tmp_path) == SavedState()
    assert capsys.readouterr().out.count("newer format") == 1
