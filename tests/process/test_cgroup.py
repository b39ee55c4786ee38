"""Limits, usage and pressure in the format of both versions of control groups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.process.cgroup import ControlGroup
from tests.signals.trees import v1, v2, write

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
    """`max`, and in version 1 a number near 2^63, mean no limit."""
    write(tmp_path, {f"sys/fs/cgroup/{file}": text})
    assert ControlGroup(tmp_path).memory_limit_bytes() == limit


def test_without_control_groups_nothing_is_known(tmp_path: Path) -> None:
    group = ControlGroup(tmp_path)
    assert group.memory_limit_bytes() is None
    assert group.cpu_quota() is None
    assert group.readings() == {}


@pytest.mark.parametrize("tree", [v1, v2])
@pytest.mark.parametrize("path", ["", "/kubepods/pod1/container2"])
def test_a_container_reads_alike_in_both_versions(
    tmp_path: Path, tree: Callable[[Path, str], Path], path: str
) -> None:
    """256 MiB, of which 70 MiB are in use; half a processor, 30 of 400 periods throttled."""
    group = ControlGroup(tree(tmp_path, path))
    assert group.cpu_quota() == 0.5
    readings = group.readings()
    assert readings["memory.limit_bytes"] == 256 << 20
    assert readings["memory.working_set_bytes"] == 70 << 20
    assert (readings["cpu.periods"], readings["cpu.throttled_periods"]) == (400, 30)


def test_pressure_is_the_time_that_some_task_stood_still(tmp_path: Path) -> None:
    """Only in version 2: version 1 has no pressure of the container."""
    readings = ControlGroup(v2(tmp_path / "v2")).readings()
    assert [readings[f"{name}.stalled_seconds"] for name in ("memory", "cpu", "io")] == [2.5] * 3
    assert "memory.stalled_seconds" not in ControlGroup(v1(tmp_path / "v1")).readings()


def test_pressure_that_is_switched_off_is_missing(tmp_path: Path) -> None:
    """Without PSI in the kernel: no file, an unreadable one, or an empty one."""
    root = v2(tmp_path)
    (root / "sys/fs/cgroup/memory.pressure").unlink()
    (root / "sys/fs/cgroup/cpu.pressure").write_text("")
    readings = ControlGroup(root).readings()
    assert "memory.stalled_seconds" not in readings
    assert "cpu.stalled_seconds" not in readings
    assert readings["io.stalled_seconds"] == 2.5


def test_the_lowest_limit_on_the_way_up_holds(tmp_path: Path) -> None:
    """A pod's limit applies to a container without its own."""
    root = v2(tmp_path, "/pod/container")
    write(
        root,
        {
            "sys/fs/cgroup/pod/container/memory.max": "max\n",
            "sys/fs/cgroup/pod/memory.max": "1000\n",
            "sys/fs/cgroup/pod/container/cpu.max": "max 100000\n",
            "sys/fs/cgroup/pod/cpu.max": "25000 100000\n",
        },
    )
    group = ControlGroup(root)
    assert group.memory_limit_bytes() == 1000
    assert group.cpu_quota() == 0.25


def test_a_path_of_another_namespace_is_the_root_of_the_mount(tmp_path: Path) -> None:
    """Without a control group namespace, /proc has a path of the node, not of the mount."""
    root = v2(tmp_path)
    write(root, {"proc/self/cgroup": "0::/../../kubepods/pod1\n"})
    assert ControlGroup(root).memory_limit_bytes() == 256 << 20
