"""Processes: how they are started, awaited and ended, and what the kernel says of them."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60.0
"""How long a server may take to answer."""


def cpu_seconds(pid: int) -> float:
    """The processor time of a process with all its threads, those that have ended too.

    The clock that clock_getcpuclockid(3) names: nanoseconds, where /proc has hundredths of seconds.
    """
    return time.clock_gettime((~pid << 3) | 2)


def rss(pid: int) -> int:
    return _field(f"/proc/{pid}/status", "VmRSS:")


def pss(pid: int) -> int:
    return _field(f"/proc/{pid}/smaps_rollup", "Pss:")


def anonymous(pid: int) -> int:
    return _field(f"/proc/{pid}/smaps_rollup", "Anonymous:")


def _field(path: str, name: str) -> int:
    """In bytes; 0 where the kernel has no such field."""
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


def pin(pid: int, cpu: int) -> None:
    """Restrict all threads of a process to one processor."""
    subprocess.run(["taskset", "-apc", str(cpu), str(pid)], check=True, capture_output=True)


@contextmanager
def process(
    command: list[str], cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[int]:
    started = subprocess.Popen(command, cwd=cwd, env=env)
    try:
        yield started.pid
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(timeout=60)


@contextmanager
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="cache-sidecar-bench-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def wait_for(url: str, pid: int) -> None:
    """Wait until it answers with any status except 503. Raises RuntimeError."""

    def answers() -> bool:
        try:
            urllib.request.urlopen(url).close()
        except urllib.error.HTTPError as error:
            return error.code != 503
        return True

    _wait_until(answers, pid)


def wait_for_port(port: int, pid: int) -> None:
    """Wait until it accepts connections. Raises RuntimeError."""

    def accepts() -> bool:
        socket.create_connection(("127.0.0.1", port)).close()
        return True

    _wait_until(accepts, pid)


def _wait_until(answers: Callable[[], bool], pid: int) -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and Path(f"/proc/{pid}/exe").exists():
        try:
            if answers():
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError("the server under test has ended, or does not answer")
