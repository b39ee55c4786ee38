"""A folder is read at one moment, and failures have a reason."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.errors import InvalidDocument, UnreadableFolderError
from sidecar.config.names import key_meant
from sidecar.config.tree import MAX_TEXT_BYTES
from sidecar.documents import folder
from tests.documents.kubelet import Mount, everywhere


def test_only_the_four_files_are_read(tmp_path: Path) -> None:
    """A missing file has no text, an empty one has an empty text, and other files are ignored."""
    (tmp_path / "cache.yaml").write_text("promote_after: 3\r\n", newline="")
    (tmp_path / "rules.yaml").touch()
    (tmp_path / "README.md").write_text("hello")
    assert folder.read(tmp_path) == {"cache.yaml": "promote_after: 3\r\n", "rules.yaml": ""}


def test_a_misspelt_file_is_an_error_and_no_default(tmp_path: Path) -> None:
    """Otherwise the defaults would be in force instead of what it states."""
    for name in ("cache.yml", "Cache.yaml", "rule.yaml", "chache.json", "baseline.yaml"):
        (tmp_path / name).write_text("promote_after: 3\n")
    for name in (
        "cache.yaml.bak",
        "cache.yaml~",
        ".cache.yaml.swp",
        "values.yaml",
        "cache",
        "a.yml",
    ):
        (tmp_path / name).write_text("a copy, or something else")
    with pytest.raises(InvalidDocument) as raised:
        parse(folder.read(tmp_path), vocabulary=CATALOGUE.vocabulary)
    assert [str(error) for error in raised.value.errors] == [
        f"{name}:1: a document has no such key; name it {meant}, or remove it"
        for name, meant in (
            ("Cache.yaml", "cache.yaml"),
            ("baseline.yaml", "baselines.yaml"),
            ("cache.yml", "cache.yaml"),
            ("chache.json", "cache.yaml"),
            ("rule.yaml", "rules.yaml"),
        )
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(("cache.yalm", "cache.yaml"), ("cache.yam", "cache.yaml"), ("RULES.YAML", "rules.yaml")),
        *(("cache_yaml", "cache.yaml"), ("rules-yml", "rules.yaml"), ("cache yaml", "cache.yaml")),
        *(("cache.yaml.txt", "cache.yaml"), ("cache.yaml ", "cache.yaml")),
        *(("baselines.jsn", "baselines.yaml"), ("warmer.yml", "warmers.yaml")),
        *((f"cache.yaml{end}", None) for end in ("~", ".bak", ".orig", ".1", ".gz", ".rpmnew", "")),
        *((name, None) for name in (".cache.yaml", "cache", "cache.txt", "cache.xml", "cache.md")),
        *((name, None) for name in ("#cache.yaml#", "values.yaml", "app.json", "yaml", "-", "")),
    ],
)
def test_a_name_is_misspelt_in_its_ending_too(name: str, meant: str | None) -> None:
    """Copies that editors and tools make are not meant, and neither are other things."""
    assert key_meant(name) == meant


def test_an_empty_folder_has_no_texts(tmp_path: Path) -> None:
    """All files are optional."""
    assert folder.read(tmp_path) == {}


def test_a_file_that_is_too_long_is_read_no_further_than_its_refusal_needs(tmp_path: Path) -> None:
    """A file of 1 GiB takes 1 MiB of memory, and is rejected at its first line."""
    with (tmp_path / "cache.yaml").open("wb") as file:
        file.truncate(1 << 30)
    texts = folder.read(tmp_path)
    assert len(texts["cache.yaml"]) == MAX_TEXT_BYTES + 1
    with pytest.raises(InvalidDocument, match="longer than 1MiB"):
        parse(texts, vocabulary=CATALOGUE.vocabulary)


def test_what_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    """The parser finds Latin-1, since it knows the line."""
    (tmp_path / "cache.yaml").write_bytes(b"promote_after: 3\n# caf\xe9\n")
    with pytest.raises(InvalidDocument, match=r"^cache\.yaml:2: the text is not UTF-8"):
        parse(folder.read(tmp_path), vocabulary=CATALOGUE.vocabulary)


def test_a_missing_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    """A typing error in the path is visible in the message."""
    missing = tmp_path / "missing"
    with pytest.raises(UnreadableFolderError, match=rf"^{missing} cannot be read: No such file"):
        folder.read(missing)


def test_a_folder_that_is_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Passing the path of cache.yaml is a likely mistake."""
    file = tmp_path / "cache.yaml"
    file.touch()
    with pytest.raises(UnreadableFolderError, match=rf"^{file} cannot be read: Not a directory"):
        folder.read(file)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_is_an_error_that_names_it(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """A folder, a pipe without a writer and a dangling link are not treated as a missing file."""
    path = tmp_path / "cache.yaml"
    make(path)
    with pytest.raises(UnreadableFolderError, match=rf"^{path} cannot be read: "):
        folder.read(tmp_path)


def test_a_mount_that_leads_nowhere_is_not_an_empty_one(tmp_path: Path) -> None:
    """If the folder behind `..data` is missing, there is an error instead of the defaults."""
    (tmp_path / "..data").symlink_to("..gone")
    (tmp_path / "cache.yaml").symlink_to("..data/cache.yaml")
    with pytest.raises(UnreadableFolderError, match="cannot be read"):
        folder.read(tmp_path)


def test_a_mount_is_never_read_half_old_and_half_new(tmp_path: Path) -> None:
    """While the kubelet swaps continuously, all texts of a reading have the same generation."""
    mount = Mount(tmp_path / "mount")
    mount.publish(everywhere("0"))
    done = threading.Event()

    def swap() -> None:
        for generation in range(300):
            mount.publish(everywhere(str(generation)))
        done.set()

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    while not done.is_set():
        texts = folder.read(mount.path)
        assert texts == everywhere(texts["cache.yaml"])
        seen.add(texts["cache.yaml"])
    swapper.join()
    assert len(seen) > 1
