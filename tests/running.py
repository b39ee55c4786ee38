"""A real sidecar in a real process, for tests that start, use, stop and kill it."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 20.0
"""The timeout of a test; nothing is measured with it."""
IDLE_BYTES = 64 << 20
"""The most memory of its own that an idle sidecar needs, both processes together. Measured on
CPython 3.11: 53 MiB, and 56 MiB with a ConfigMap that is watched.
"""


def life_left(headers: Mapping[str, str]) -> int:
    """The seconds that an entry still lives, by the answer to a GET."""
    [left] = re.findall(r"; ttl=(\d+)", headers["Cache-Status"])
    return int(left)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def tier(self) -> str:
        return self.headers.get("Cache-Status", "").rpartition("detail=")[2]


def problem(answer: Answer, status: int) -> str:
    """The detail of a problem, after a check of its form (RFC 9457)."""
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = json.loads(answer.body)
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return str(body["detail"])


@dataclass
class RunningSidecar:
    """`cache-sidecar serve` on free ports; `start` restarts it after it has ended."""

    data_dir: Path
    flags: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    wrapper: tuple[str, ...] = ()
    """A command that executes the following one."""
    program: str = "sidecar"
    """The module to run."""
    port: int = 0
    ops_port: int = 0
    resp_port: int = 0
    process: subprocess.Popen[str] | None = None

    def start(self) -> RunningSidecar:
        self.launch()
        wait_until(lambda: self.ready, "the sidecar is ready")
        return self

    def launch(self) -> subprocess.Popen[str]:
        self.port = self.port or free_port()
        self.ops_port = self.ops_port or free_port()
        self.resp_port = self.resp_port or free_port()
        command = [
            *self.wrapper,
            *(sys.executable, "-m", self.program, "serve"),
            *("--data-bind", f"127.0.0.1:{self.port}", "--ops-bind", f"127.0.0.1:{self.ops_port}"),
            *("--resp-bind", f"127.0.0.1:{self.resp_port}", "--data-dir", str(self.data_dir)),
            *self.flags,
        ]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **self.environment},
        )
        return self.process

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def child(self) -> int | None:
        """The process of L3."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(children[0]) if children else None

    @property
    def ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.process.stdout and self.process.stdout.read()
        try:
            return self.ops("/readyz").status == 200
        except OSError:
            return False

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill_both(self) -> None:
        """kill -9 of the sidecar and of L3, as on a node without free memory."""
        child = self.child
        self.signal(signal.SIGKILL)
        if child is not None:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.wait()

    def wait(self) -> tuple[int, str]:
        """Its exit status and its output."""
        assert self.process is not None
        output, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, output

    def stop(self) -> int:
        if self.process is None or self.process.returncode is not None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
        return self.wait()[0]

    # ---- talking to it

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        return _ask(f"http://127.0.0.1:{self.port}{path}", method, body, headers or {})

    def ops(self, path: str) -> Answer:
        return _ask(f"http://127.0.0.1:{self.ops_port}{path}", "GET", None, {})

    def put(self, key: str, value: bytes) -> Answer:
        return self.ask("PUT", f"/v1/cache/test/{key}", value)

    def get(self, key: str) -> Answer:
        return self.ask("GET", f"/v1/cache/test/{key}")

    def stats(self) -> Any:
        return json.loads(self.ask("GET", "/v1/stats").body)

    def metrics(self) -> dict[str, float]:
        """The samples of one scrape: `name{label="value",...}` to value."""
        url = f"http://127.0.0.1:{self.ops_port}/metrics"
        with urllib.request.urlopen(url) as answer:
            lines = answer.read().decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def config(self) -> Any:
        return json.loads(self.ask("GET", "/v1/config").body)


def wait_until(
    holds: Callable[[], object], what: str, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Poll a condition; fails if it is never true."""
    give_up = time.monotonic() + patience_seconds
    while not holds():
        assert time.monotonic() < give_up, f"waited in vain until {what}"
        time.sleep(0.02)


def anonymous_bytes(pid: int) -> int:
    """The memory of a process that is its own, without files that are mapped or cached."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("smaps_rollup has no line Anonymous")


def free_port() -> int:
    """A port that nobody listens on, and that the kernel gives to no client's connection: some
    servers start on theirs again and again, beside thousands of connections of other tests.
    """
    given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = random.SystemRandom()
    while True:
        port = ports.randrange(10_000, given if given > 20_000 else 32_768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _ask(url: str, method: str, body: bytes | None, headers: dict[str, str]) -> Answer:
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            return Answer(response.status, dict(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read())
