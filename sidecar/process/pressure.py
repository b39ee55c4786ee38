"""Pressure stall information (PSI): how long tasks waited for a resource.

Of the container's own group alone. `/proc/pressure` tells of the whole node, and what its
neighbours do is nothing that a sidecar could mend. (Linux, Documentation/accounting/psi.rst)
"""

from __future__ import annotations

from pathlib import Path


def stalled_seconds(file: Path) -> float | None:
    """For how long, since the start of the group, at least one task stood still for the resource.

    The kernel's averages look back 10 s and more; from the total every window is exact. None where
    the kernel keeps no account (it is built or started without PSI, or control groups are v1).
    """
    try:
        lines = file.read_text().splitlines()
    except OSError:  # EOPNOTSUPP on reading where PSI is switched off
        return None
    for line in lines:
        kind, *fields = line.split()
        total = dict(field.partition("=")[::2] for field in fields).get("total", "")
        if kind == "some" and total.isdigit():
            return int(total) / 1e6
    return None
