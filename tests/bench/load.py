"""Starts the servers under test, pins them and wrk, and applies load from outside."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Load:
    """The result of one run of wrk, in seconds; `errors` are answers other than 2xx and 3xx."""

    requests_per_second: float
    p50: float
    p99: float
    requests: int
    errors: int


@dataclass(frozen=True)
class Running:
    """A server under test and its processes."""

    port: int
    pid: int
    child: int | None
    data_dir: Path | None
    ops_port: int = 0


def wrk(
    server: Running,
    *,
    cpu: int,
    method: str = "GET",
    namespace: str = "bench",
    keys: int = 100,
    size: int = 256,
    connections: int = 16,
    seconds: int = 4,
) -> Load:
    """Load a server from one thread on processor `cpu`."""
    environment = {
        **os.environ,
        "METHOD": method,
        "NAMESPACE": namespace,
        "KEYS": str(keys),
        "BYTES": str(size),
    }
    command = f"taskset -c {cpu} wrk -t1 -c{connections} -d{seconds} --latency -s {HERE}/keys.lua"
    url = f"http://127.0.0.1:{server.port}"
    done = subprocess.run(
        [*command.split(), url], env=environment, capture_output=True, text=True, check=True
    )
    return _parsed(done.stdout)


def _parsed(text: str) -> Load:
    def number(pattern: str) -> float:
        found = re.search(pattern, text)
        return float(found[1]) if found else 0.0

    def quantile(name: str) -> float:
        found = re.search(rf"{name}%\s+([\d.]+)(us|ms|s|m)", text)
        return float(found[1]) * UNITS[found[2]] if found else 0.0

    return Load(
        requests_per_second=number(r"Requests/sec:\s+([\d.]+)"),
        p50=quantile("50"),
        p99=quantile("99"),
        requests=int(number(r"(\d+) requests in")),
        errors=int(number(r"Non-2xx or 3xx responses: (\d+)")),
    )


@contextmanager
def peer(cpu: int) -> Iterator[Running]:
    port = free_port()
    arguments = ["-m", "tests.bench.peer", str(port)]
    with _process(arguments, cpu, f"http://127.0.0.1:{port}/") as pid:
        yield Running(port, pid, None, None)


@contextmanager
def sidecar(
    cpu: int,
    child_cpu: int,
    *,
    config: str = "",
    rules: str = "",
    data_dir: Path | None = None,
    environment: Mapping[str, str] | None = None,
    module: str = "sidecar",
) -> Iterator[Running]:
    """A sidecar on one processor, its L3 on another; `config` and `rules` are the texts of
    cache.yaml and rules.yaml, `module` is what is run with the sidecar's command line.
    """
    folder = Path(tempfile.mkdtemp(prefix="cache-sidecar-bench-"))
    (folder / "cache.yaml").write_text(config)
    (folder / "rules.yaml").write_text(rules)
    data = data_dir or folder / "data"
    port, ops = free_port(), free_port()
    arguments = (
        f"-m {module} serve --data-bind 127.0.0.1:{port} --ops-bind 127.0.0.1:{ops} "
        f"--data-dir {data} --config {folder} --log-level error"
    )
    try:
        with _process(arguments.split(), cpu, f"http://127.0.0.1:{ops}/readyz", environment) as pid:
            child = _child_of(pid)
            if child is not None:
                pin = ["taskset", "-apc", str(child_cpu), str(child)]
                subprocess.run(pin, check=True, capture_output=True)
            yield Running(port, pid, child, data, ops)
    finally:
        shutil.rmtree(folder)


@contextmanager
def _process(
    arguments: list[str], cpu: int, url: str, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    process = subprocess.Popen(
        ["taskset", "-c", str(cpu), sys.executable, *arguments],
        env={**os.environ, **(environment or {})},
    )
    try:
        _wait_for(url, process)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until it answers with any status except 503."""
    while process.poll() is None:
        try:
            urllib.request.urlopen(url).close()
        except urllib.error.HTTPError as error:
            if error.code != 503:
                return
        except OSError:
            pass
        else:
            return
        time.sleep(0.05)
    raise RuntimeError("the server under test has ended")


def _child_of(pid: int) -> int | None:
    """The process of L3; None if it is disabled."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


def say(line: str) -> None:
    """Print one line of the report immediately."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
