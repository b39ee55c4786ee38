"""What stands in RocksDB's folder, and is not RocksDB's alone: the volume is not trusted."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from sidecar.l3.folder import CURRENT

SMALL = (CURRENT, "IDENTITY", "OPTIONS-", "rocksdict-config.json")
"""Files that are read as a whole."""
MOST_SMALL_BYTES = 1 << 20


def remove_strangers(folder: Path) -> None:
    """Remove what no RocksDB has made: it would follow links, wait for pipes, and read all of a
    file that should be small. What is missing then is noticed when it is opened.
    """
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # a predecessor that is ending may delete files
            status = path.lstat()
            is_small = path.name.startswith(SMALL)
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(path)
            elif not stat.S_ISREG(status.st_mode) or (
                is_small and status.st_size > MOST_SMALL_BYTES
            ):
                path.unlink()
            elif is_small and status.st_nlink > 1:
                _separate(path)


def _separate(path: Path) -> None:
    """Give a file that has another name, too, a content of its own, since rocksdict overwrites its
    settings in place.
    """
    descriptor, copy = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(path.read_bytes())
    Path(copy).replace(path)
