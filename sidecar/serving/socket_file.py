"""The file of a Unix socket: it outlives its listener, and may belong to another process."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

MOST_PATH_BYTES = 107
"""Of the address of a Unix socket; Python refuses more, without an error number."""


class SocketFile:
    """What is at a path before, while and after a server listens there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ours: os.stat_result | None = None

    def clear(self) -> None:
        """Remove a socket that is no longer served. Raises OSError for anything else there:
        event loops remove whatever socket they find.
        """
        if len(os.fsencode(self._path)) > MOST_PATH_BYTES:
            told = f"the path of a socket takes {MOST_PATH_BYTES} bytes; choose a shorter one"
            raise OSError(errno.ENAMETOOLONG, told)
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(self._path.stat().st_mode):
                raise FileExistsError(errno.EEXIST, "there is a file that is no socket")
            if self._is_served():
                told = "another process serves it; end that, or choose another path"
                raise OSError(errno.EADDRINUSE, told)
            self._path.unlink()

    def taken(self, mode: int) -> None:
        """A server of ours listens there from now on, for those whom the mode lets write.

        Its group is that of the process, or of a folder with the setgid bit, such as a volume of a
        pod with an fsGroup.
        """
        self._path.chmod(mode)
        self._ours = self._path.stat()

    def remove(self) -> None:
        """Our own, if it is still there: a successor may have taken the path over."""
        with suppress(FileNotFoundError):
            if self._ours is not None and os.path.samestat(self._path.stat(), self._ours):
                self._path.unlink()

    def _is_served(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            found = probe.connect_ex(str(self._path))
        return found in (0, errno.EAGAIN)  # again: as many wait already as may
