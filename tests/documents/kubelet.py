"""A ConfigMap volume as the kubelet writes it, in a real folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from sidecar.config.values import DOCUMENT_KEYS


class Mount:
    """A mounted ConfigMap, written as the kubelet writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = 0
        path.mkdir()

    def publish(self, texts: dict[str, str]) -> None:
        """Write a new folder with the files, swap `..data`, update the links, remove the old
        folder.
        """
        self._count += 1
        data = self.path / "..data"
        old = data.resolve() if data.exists() else None
        new = self.path / f"..2025_06_01_19_15_33.{self._count}"
        new.mkdir()
        for key, text in texts.items():
            (new / key).write_text(text)
        link = self.path / "..data_tmp"
        link.symlink_to(new.name)
        link.rename(data)
        for key in texts:
            if not (self.path / key).is_symlink():
                (self.path / key).symlink_to(Path("..data") / key)
        for entry in self.path.iterdir():
            if entry.is_symlink() and not entry.exists():
                entry.unlink()
        if old:
            shutil.rmtree(old)


def everywhere(text: str) -> dict[str, str]:
    """The same text under all keys, so that a mixture is visible."""
    return dict.fromkeys(DOCUMENT_KEYS, text)
