"""The container's limits, as the kernel's control groups have them."""

from __future__ import annotations

from pathlib import Path

_FILES = ("memory.max", "memory/memory.limit_in_bytes")  # cgroup v2, then v1
_NO_LIMIT = 1 << 60
"""v1 writes a number near 2^63 where there is no limit."""


def memory_limit_bytes(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """The memory limit of this container; None where there is none, or it can't be known."""
    for name in _FILES:
        try:
            text = (root / name).read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < _NO_LIMIT:
            return int(text)
    return None
