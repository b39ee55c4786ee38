"""An idle sidecar: the memory that it takes from the application's node."""

from __future__ import annotations

import subprocess
import sys

from tests.running import IDLE_BYTES, RunningSidecar, anonymous_bytes

DEAR = {"kubernetes", "multiprocessing", "rich", "rocksdict", "sqlite3", "typer", "unittest", "xml"}


def test_an_idle_sidecar_needs_little_memory(sidecar: RunningSidecar) -> None:
    """Both processes, with the defaults and after a scrape: their own memory, without files."""
    sidecar.metrics()
    child = sidecar.child
    assert child is not None
    assert anonymous_bytes(sidecar.pid) + anonymous_bytes(child) <= IDLE_BYTES


def test_an_idle_sidecar_has_not_loaded_what_it_does_not_need() -> None:
    """Libraries of other commands, of L3's process, and those that others import for rare uses."""
    code = "import sys, sidecar.cli.serve; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not DEAR & set(done.stdout.split())
