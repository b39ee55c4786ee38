"""The load: wrk, redis-benchmark, memcslap and a client in Python, and what they report."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import msgspec

from tests.bench.filling import SEED
from tests.bench.servers import HERE, LOAD_CPU, ROOT, Running

MOST_SECONDS = 300.0
"""A program that takes longer has failed: redis-benchmark never ends if its server goes away."""


@dataclass(frozen=True, slots=True)
class Load:
    """The result of one run, latencies in seconds; None where the program does not report them.

    `errors` are answers other than 2xx and 3xx, and of a client in Python those without a value.
    """

    operations: int
    seconds: float
    errors: int = 0
    p50: float | None = None
    p99: float | None = None
    p999: float | None = None


def wrk(
    server: Running,
    *,
    method: str = "GET",
    namespace: str = "bench",
    keys: int = 100,
    size: int = 256,
    connections: int = 16,
    seconds: int = 4,
) -> Load:
    """Load a server from one thread. Raises RuntimeError if connections fail."""
    environment = {
        **os.environ,
        "METHOD": method,
        "NAMESPACE": namespace,
        "KEYS": str(keys),
        "BYTES": str(size),
        "SEED": str(SEED),
    }
    command = (
        f"wrk -t1 -c{connections} -d{seconds} -s {HERE}/keys.lua http://127.0.0.1:{server.port}"
    )
    return parse_wrk(_output(command, environment))


def parse_wrk(text: str) -> Load:
    """What `keys.lua` prints at the end."""
    found = re.search(r"^figures (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$", text, re.MULTILINE)
    if found is None or "\nlost " in text:
        raise RuntimeError(f"wrk failed:\n{text}")
    operations, micros, errors, *quantiles = map(int, found.groups())
    p50, p99, p999 = (quantile / 1e6 for quantile in quantiles)
    return Load(operations, micros / 1e6, errors, p50, p99, p999)


def redis_benchmark(
    server: Running,
    command: str,
    *,
    database: int = 0,
    keys: int,
    size: int,
    connections: int,
    pipeline: int = 1,
    operations: int,
) -> Load:
    """Raises RuntimeError at the first error of the server, where redis-benchmark stops."""
    line = (
        f"redis-benchmark -p {server.resp_port} --dbnum {database} -t {command} -c {connections} "
        f"-P {pipeline} -n {operations} -r {keys} -d {size} --precision 3"
    )
    return parse_redis_benchmark(_output(line))


def parse_redis_benchmark(text: str) -> Load:
    """The figures of its only test."""
    found = re.search(r"(\d+) requests completed in ([\d.]+) seconds", text)
    if found is None:
        raise RuntimeError(f"redis-benchmark failed:\n{text}")
    steps = [
        (float(percent), float(millis) / 1e3)
        for percent, millis in re.findall(r"([\d.]+)% <= ([\d.]+) milliseconds \(cumul", text)
    ]

    def quantile(percent: float) -> float:
        return next(seconds for reached, seconds in steps if reached >= percent)

    return Load(
        int(found[1]),
        float(found[2]),
        p50=quantile(50),
        p99=quantile(99),
        p999=quantile(99.9),
    )


def memcslap(server: Running, test: str, *, connections: int, operations: int) -> Load:
    """`operations` are those of each connection, over as many keys. It reports no latencies."""
    line = f"memcslap -s 127.0.0.1:{server.port} -t {test} -c {connections} -e {operations}"
    return parse_memcslap(_output(line))


def parse_memcslap(text: str) -> Load:
    found = re.search(r"(\d+) keys by +\d+ threads: +([\d.]+) seconds", text)
    if found is None:
        raise RuntimeError(f"memcslap failed:\n{text}")
    return Load(int(found[1]), float(found[2]))


def python_client(
    kind: str, where: str, command: str, *, keys: int, size: int, seconds: int
) -> Load:
    """One client of `client.KINDS`, on the processor of the load."""
    line = (
        f"{sys.executable} -m tests.bench.client {kind} {where} {command} {keys} {size} {seconds}"
    )
    return msgspec.json.decode(_output(line), type=Load)


def _output(command: str, environment: dict[str, str] | None = None) -> str:
    pinned = ["taskset", "-c", str(LOAD_CPU), *command.split()]
    done = subprocess.run(
        pinned,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def say(line: str) -> None:
    """Print one line of the report immediately."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
