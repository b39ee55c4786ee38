"""Pressure stall information (PSI): how long tasks waited for a resource.

Only of the container's own group: `/proc/pressure` covers the whole node, and a sidecar cannot
influence the load of other pods. (Linux, Documentation/accounting/psi.rst)
"""

from __future__ import annotations

from pathlib import Path


def stalled_seconds(file: Path) -> float | None:
    """Seconds since the start of the group in which at least one task waited for the resource.

    The kernel's averages cover 10 s and more; with the total, every window is exact. None if the
    kernel does not report it (built or started without PSI, or control groups v1).
    """
    try:
        lines = file.read_text().splitlines()
    except OSError:  # reading fails with EOPNOTSUPP if PSI is disabled
        return None
    for line in lines:
        kind, *fields = line.split()
        total = dict(field.partition("=")[::2] for field in fields).get("total", "")
        if kind == "some" and total.isdigit():
            return int(total) / 1e6
    return None
