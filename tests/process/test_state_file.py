"""State files of this version, of earlier ones and of later ones."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from sidecar.control import FILE as OPTIMIZER_FILE
from sidecar.control import remembered
from sidecar.documents.documents import FILE as DOCUMENT_FILE
from sidecar.documents.documents import KeptDocument
from sidecar.optimizer.decisions import SavedState
from sidecar.process.state_file import FORMAT, load, save
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


def test_a_file_of_a_newer_version_is_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The program logs one line, and starts without it."""
    (tmp_path / OPTIMIZER_FILE).write_bytes(
        b"cache-sidecar %d\n" % (FORMAT + 1) + msgspec.msgpack.encode(SavedState())
    )
    assert remembered(tmp_path) == SavedState()
    assert capsys.readouterr().out.count("newer format") == 1
