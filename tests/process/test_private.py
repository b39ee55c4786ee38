"""What an earlier version has left for everybody to read is narrowed; what others own is not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec
import pytest

from sidecar.control import FILE, remembered
from sidecar.optimizer.decisions import SavedState
from sidecar.process.private import narrow_folder

SOMEBODY_ELSE = 65533


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (0o755, 0o700),
        (0o777, 0o700),
        (0o750, 0o700),
        (0o700, 0o700),
        (0o500, 0o500),
        (0o1777, 0o1777),
        (0o2775, 0o2775),
        (0o2770, 0o2770),
    ],
)
def test_a_folder_of_ones_own_is_narrowed(tmp_path: Path, before: int, after: int) -> None:
    """Unless it is shared: with the sticky bit, or by `fsGroup`."""
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(before)
    narrow_folder(folder)
    assert mode(folder) == after


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_what_belongs_to_somebody_else_stays(tmp_path: Path) -> None:
    """As the root of an `emptyDir`, which is the kubelet's."""
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(0o777)
    os.chown(folder, SOMEBODY_ELSE, SOMEBODY_ELSE)
    narrow_folder(folder)
    assert mode(folder) == 0o777


def test_what_is_no_folder_stays(tmp_path: Path) -> None:
    """A link, whose target is not narrowed, a file, and nothing at all."""
    target = tmp_path / "target"
    target.mkdir()
    target.chmod(0o755)
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "file").touch(0o644)
    for name in ("link", "file", "nothing"):
        narrow_folder(tmp_path / name)
    assert mode(target) == 0o755
    assert mode(tmp_path / "file") == 0o644


def test_a_state_file_is_narrowed_when_it_is_read(tmp_path: Path) -> None:
    """Not only when it is written again."""
    file = tmp_path / FILE
    file.write_bytes(msgspec.msgpack.encode(SavedState()))
    file.chmod(0o644)
    remembered(tmp_path)
    assert mode(file) == 0o600


def test_a_file_with_another_name_is_read_and_stays(tmp_path: Path) -> None:
    """It may be anybody's, whose rights are not ours to change; or of a backup by hard links."""
    file = tmp_path / FILE
    file.write_bytes(msgspec.msgpack.encode(SavedState(cooldowns={})))
    file.chmod(0o644)
    (tmp_path / "elsewhere").hardlink_to(file)
    remembered(tmp_path)
    assert mode(tmp_path / "elsewhere") == 0o644
    assert file.exists()
