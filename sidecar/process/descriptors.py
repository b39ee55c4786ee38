"""The descriptors that a process may have: one for each connection and for each open file."""

from __future__ import annotations

import resource
from contextlib import suppress


def allow_many_files() -> None:
    """Use all that the system allows: container runtimes often start with a soft limit of 1024.

    A refusal, as by a sandbox, is no fault: fewer connections and fewer open tables are enough.
    """
    with suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def most_descriptors() -> int | None:
    """How many this process may have; None if there is no limit."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if most == resource.RLIM_INFINITY else most
