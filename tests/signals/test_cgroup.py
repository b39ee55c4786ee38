"""The memory limit as both versions of control groups write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.signals.cgroup import memory_limit_bytes

V1, V2 = "memory/memory.limit_in_bytes", "memory.max"


@pytest.mark.parametrize(
    ("file", "text", "limit"),
    [
        (V2, "134217728\n", 128 << 20),
        (V2, "max\n", None),
        (V1, "134217728\n", 128 << 20),
        (V1, "9223372036854771712\n", None),
    ],
)
def test_the_limit_is_read(tmp_path: Path, file: str, text: str, limit: int | None) -> None:
    """`max`, and in version 1 a number near 2^63, mean that there is none."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert memory_limit_bytes(tmp_path) == limit


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert memory_limit_bytes(tmp_path) is None
