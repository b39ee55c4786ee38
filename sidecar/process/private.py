"""Rights on the volume: what holds the application's data is for its owner alone.

New files and folders are made so. Those of an earlier version are narrowed if they belong to this
process's user. Shared folders stay as they are: with the sticky bit, as /tmp, or with the
set-group-ID bit, which the kubelet sets for `fsGroup`. So do files that have another name, too,
which may be anybody's.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_GROUP_AND_OTHERS = 0o077


def narrow_folder(path: Path) -> None:
    """Narrow a folder, if there is one. No link is followed. Blocks."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            narrow(descriptor)
        finally:
            os.close(descriptor)


def narrow(descriptor: int) -> None:
    """Narrow an open file or folder, unless the file system does not let it."""
    status = os.fstat(descriptor)
    mode = stat.S_IMODE(status.st_mode)
    is_shared = bool(mode & (stat.S_ISVTX | stat.S_ISGID)) or (
        stat.S_ISREG(status.st_mode) and status.st_nlink > 1
    )
    if mode & _GROUP_AND_OTHERS and status.st_uid == os.geteuid() and not is_shared:
        with suppress(OSError):
            os.fchmod(descriptor, mode & ~_GROUP_AND_OTHERS)
