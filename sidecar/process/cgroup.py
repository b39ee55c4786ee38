"""The container's limits and usage, from the kernel's control groups.

Supports both versions of control groups. A container sees its own group at the root of the mount;
outside of a container `/proc/self/cgroup` has the path. Files that cannot be read are omitted from
the readings.
"""

from __future__ import annotations

import time
from pathlib import Path

from sidecar.process.pressure import stalled_seconds
from sidecar.process.usage import processors

_MOUNT, _OWN = "sys/fs/cgroup", "proc/self/cgroup"
_FILE_PAGES = ("active", "inactive")
_NO_LIMIT = 1 << 60
"""Version 1 reports a number near 2^63 if there is no limit."""


class ControlGroup:
    """This process's group below `root`, a file system's root."""

    def __init__(self, root: Path = Path("/")) -> None:
        mount = root / _MOUNT
        self._unified = not (mount / "memory").is_dir()
        if self._unified:
            self._memory = self._cpu = _own(mount, root, "")
            self._tops = (mount, mount)
        else:
            self._memory = _own(mount / "memory", root, "memory")
            self._cpu = _own(mount / "cpu", root, "cpu")
            self._tops = (mount / "memory", mount / "cpu")
        self._allowed_seconds = 0.0
        self._allowed_at: float | None = None

    def memory_limit_bytes(self) -> int | None:
        """The lowest limit of this group and its parents; None if there is none, or if unknown.

        `memory.high` counts too: above it, processes are slowed until they hardly run. In version 1
        a group knows the limits of parents that are not visible here.
        """
        names = ("memory.max", "memory.high") if self._unified else ("memory.limit_in_bytes",)
        groups = _upwards(self._memory, self._tops[0])
        limits = [_number(group / name) for group in groups for name in names]
        if not self._unified:
            stat = _table(self._memory / "memory.stat")
            limits.append(stat.get("hierarchical_memory_limit"))
        return min((int(it) for it in limits if it is not None and it < _NO_LIMIT), default=None)

    def unreclaimable_bytes(self) -> int | None:
        """The memory in use that the kernel can't free: without file pages. None if unknown."""
        used = "memory.current" if self._unified else "memory.usage_in_bytes"
        prefix = "" if self._unified else "total_"
        total = _number(self._memory / used)
        if total is None:
            return None
        stat = _table(self._memory / "memory.stat")
        return int(total - sum(stat.get(f"{prefix}{name}_file", 0.0) for name in _FILE_PAGES))

    def cpu_quota(self) -> float | None:
        """The lowest quota of this group and its parents, in CPUs; None if there is none."""
        quotas = [self._quota(group) for group in _upwards(self._cpu, self._tops[1])]
        return min((quota for quota in quotas if quota is not None), default=None)

    def allowed_seconds(self) -> float:
        """CPU time that the quota has allowed since the first call; the quota may change."""
        quota, now = self.cpu_quota(), time.monotonic()
        if self._allowed_at is not None:
            passed = now - self._allowed_at
            self._allowed_seconds += passed * (processors() if quota is None else quota)
        self._allowed_at = now
        return self._allowed_seconds

    def readings(self) -> dict[str, float]:
        """The raw readings of memory, throttling and pressure, as far as available."""
        found: dict[str, float | None] = {
            "memory.limit_bytes": self.memory_limit_bytes(),
            "memory.working_set_bytes": self._working_set_bytes(),
        }
        stat = _table(self._cpu / "cpu.stat")
        if stat.get("nr_periods"):
            found["cpu.periods"] = stat["nr_periods"]
            found["cpu.throttled_periods"] = stat.get("nr_throttled")
        if self._unified:
            for resource in ("memory", "cpu", "io"):
                found[f"{resource}.stalled_seconds"] = stalled_seconds(
                    self._memory / f"{resource}.pressure"
                )
        return {name: value for name, value in found.items() if value is not None}

    def _working_set_bytes(self) -> float | None:
        """The working set as the kubelet counts it: without inactive file pages."""
        used = "memory.current" if self._unified else "memory.usage_in_bytes"
        inactive = "inactive_file" if self._unified else "total_inactive_file"
        total = _number(self._memory / used)
        if total is None:
            return None
        return max(0.0, total - _table(self._memory / "memory.stat").get(inactive, 0.0))

    def _quota(self, group: Path) -> float | None:
        if self._unified:
            quota, _, period = _text(group / "cpu.max").partition(" ")
        else:
            quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
        if not (quota.isdigit() and period.isdigit()):  # "max", and -1 in version 1
            return None
        return int(quota) / int(period)


def _own(mount: Path, root: Path, controller: str) -> Path:
    """The path of this process in a hierarchy; its root if the path is of another namespace."""
    for line in _text(root / _OWN).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            group = mount / path.lstrip("/")
            return group if ".." not in path and group.is_dir() else mount
    return mount


def _upwards(group: Path, top: Path) -> list[Path]:
    return [group, *(each for each in group.parents if each.is_relative_to(top))]


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _number(file: Path) -> float | None:
    text = _text(file)
    return float(text) if text.isdigit() else None


def _table(file: Path) -> dict[str, float]:
    """A file of lines `name number`."""
    rows = (line.split() for line in _text(file).splitlines())
    return {row[0]: float(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
