"""File system roots with control groups, with files as kernels write them."""

from __future__ import annotations

from pathlib import Path

PRESSURE = """\
some avg10=1.53 avg60=0.87 avg300=0.25 total=2500000
full avg10=0.00 avg60=0.00 avg300=0.00 total=1200000
"""
V2_MEMORY_STAT = """\
anon 61440000
file 41943040
kernel 3145728
kernel_stack 163840
inactive_anon 61000000
active_anon 440000
inactive_file 31457280
active_file 10485760
unevictable 0
workingset_refault_file 34
"""
V1_MEMORY_STAT = """\
cache 41943040
rss 61440000
inactive_file 1
hierarchical_memory_limit 268435456
total_cache 41943040
total_rss 61440000
total_inactive_anon 61000000
total_active_anon 440000
total_inactive_file 31457280
total_active_file 10485760
"""
V2_CPU_STAT = """\
usage_usec 12345678
user_usec 10000000
system_usec 2345678
nr_periods 400
nr_throttled 30
throttled_usec 900000
nr_bursts 0
burst_usec 0
"""
V1_CPU_STAT = "nr_periods 400\nnr_throttled 30\nthrottled_time 900000000\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def v2(root: Path, group: str = "") -> Path:
    """A container under cgroup v2 with 256 MiB and half a processor."""
    at = f"sys/fs/cgroup{group}"
    return write(
        root,
        {
            "proc/self/cgroup": f"0::{group or '/'}\n",
            f"{at}/memory.max": "268435456\n",
            f"{at}/memory.current": "104857600\n",
            f"{at}/memory.stat": V2_MEMORY_STAT,
            f"{at}/cpu.max": "50000 100000\n",
            f"{at}/cpu.stat": V2_CPU_STAT,
            **{f"{at}/{name}.pressure": PRESSURE for name in ("memory", "cpu", "io")},
        },
    )


def v1(root: Path, group: str = "") -> Path:
    """The same container under cgroup v1, which has no pressure."""
    memory, cpu = f"sys/fs/cgroup/memory{group}", f"sys/fs/cgroup/cpu{group}"
    return write(
        root,
        {
            "proc/self/cgroup": f"4:memory:{group or '/'}\n2:cpu,cpuacct:{group or '/'}\n0::/\n",
            f"{memory}/memory.limit_in_bytes": "268435456\n",
            f"{memory}/memory.usage_in_bytes": "104857600\n",
            f"{memory}/memory.stat": V1_MEMORY_STAT,
            f"{cpu}/cpu.cfs_quota_us": "50000\n",
            f"{cpu}/cpu.cfs_period_us": "100000\n",
            f"{cpu}/cpu.stat": V1_CPU_STAT,
        },
    )
