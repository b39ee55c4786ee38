"""The claim to a folder: at most one process writes to it.

RocksDB locks its own folder, but only while it is open. The claim is for the whole life of the
sidecar, and for all that it writes: another sidecar on the same volume leaves it alone until then.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

from sidecar.process import state_file

_UNSUPPORTED = (errno.EBADF, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""Some network file systems cannot lock a folder. Then RocksDB's lock has to do."""


class FolderInUseError(OSError):
    """Another process has claimed the folder."""


class Claim:
    """This process's claim to `folder`, until it ends. The kernel releases it, however it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptor: int | None = None
        self._turn = threading.Lock()  # two threads that take it at once would refuse each other

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    def take(self) -> bool:
        """Claim the folder, which is created if there is none. False if another process has it.
        Blocks. Raises OSError.
        """
        with self._turn:
            return self.held or self._take()

    def _take(self) -> bool:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                os.close(descriptor)
                raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def save(self, file: Path, data: bytes) -> None:
        """`state_file.save`, in a folder that is claimed, or can be. Blocks. Raises OSError."""
        if not self.take():
            raise FolderInUseError(errno.EBUSY, f"{self.folder} is in use by another process")
        state_file.save(file, data)
