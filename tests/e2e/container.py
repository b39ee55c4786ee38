"""A memory limit for a test: a real control group, if one can be created.

Otherwise (a read-only mount, no root) a fixture replaces it: files that are mounted over
/sys/fs/cgroup in a mount namespace of the sidecar, and updated with its actual memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

VERSION_1, VERSION_2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
MIRROR_SECONDS = 0.1


class Container:
    """A memory limit. `wrapper` is a command that starts another one inside. Close it when that has
    ended.
    """

    def __init__(self, name: str, folder: Path, limit_bytes: int) -> None:
        self._mirror: _Mirror | None = None
        self._group = _real_group(name, limit_bytes)
        if self._group is not None:
            enter = f'echo $$ > {self._group}/cgroup.procs && exec "$0" "$@"'
            self.wrapper: tuple[str, ...] = ("sh", "-c", enter)
        else:
            self._mirror = _Mirror(folder, limit_bytes)
            mounted = f'mount --bind {folder} /sys/fs/cgroup && exec "$0" "$@"'
            self.wrapper = ("unshare", "--mount", "sh", "-c", mounted)

    @property
    def kind(self) -> str:
        return "fixture" if self._group is None else str(self._group)

    @property
    def is_real(self) -> bool:
        """Whether the kernel enforces the limit."""
        return self._group is not None

    @property
    def kills(self) -> int:
        """The processes in it that the kernel has killed for want of memory."""
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError):
                lines = ((self._group or Path()) / name).read_text().splitlines()
                return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
        return 0

    def resize(self, limit_bytes: int) -> None:
        """Change the limit, as a resize of a pod in place does."""
        assert self._group is not None
        for name in ("memory.max", "memory.limit_in_bytes"):
            if (self._group / name).exists():
                (self._group / name).write_text(str(limit_bytes))

    def started(self, pid: int) -> None:
        """Follow this process, the only one in the group apart from its children."""
        if self._mirror is not None:
            self._mirror.follow(pid)

    def close(self) -> None:
        if self._mirror is not None:
            self._mirror.stop()
        if self._group is not None:
            self._group.rmdir()


def _real_group(name: str, limit_bytes: int) -> Path | None:
    """A group with the limit, of either version; None if none can be created."""
    for top, file in ((VERSION_1, "memory.limit_in_bytes"), (VERSION_2, "memory.max")):
        group = top / name
        try:
            group.mkdir()
        except OSError:
            continue
        with suppress(OSError):
            if (group / file).exists():
                (group / file).write_text(str(limit_bytes))
                return group
        group.rmdir()
    return None


class _Mirror:
    """Files of cgroup v2 that show the memory of processes."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        folder.mkdir()
        (folder / "memory.max").write_text(f"{limit_bytes}\n")
        (folder / "memory.stat").write_text("inactive_file 0\n")
        self._current = folder / "memory.current"
        self._current.write_text("0\n")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, pid: int) -> None:
        self._thread = threading.Thread(target=self._run, args=(psutil.Process(pid),))
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, process: psutil.Process) -> None:
        resident: Callable[[psutil.Process], int] = lambda it: int(it.memory_info().rss)  # noqa: E731
        while not self._stop.wait(MIRROR_SECONDS):
            with suppress(psutil.Error):
                total = sum(resident(it) for it in [process, *process.children(recursive=True)])
                self._current.write_text(f"{total}\n")
