"""The servers that are compared: how each is started and pinned, and what its processes use.

A server runs on one processor; the load, and L3's process of a sidecar, on another.
"""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

from tests.bench.filling import SEED, mset, noise, put_each, redis_set, write_l3
from tests.bench.processes import (
    cpu_seconds,
    folder,
    pin,
    process,
    wait_for,
    wait_for_port,
)
from tests.image.pod import LIMITS, podman
from tests.running import free_port

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SERVER_CPU, LOAD_CPU = 0, 1
SCRAPE_SECONDS = 5.0
SETTLE_SECONDS, LOOK_SECONDS, IDLE_RATIO = 600.0, 0.5, 0.1


@dataclass(frozen=True, slots=True)
class Running:
    """A server under test; `child` is L3's process."""

    port: int
    pid: int
    child: int | None = None
    ops_port: int = 0
    resp_port: int = 0
    """Of the Redis protocol."""
    data: Path | None = None
    """The folder of a cache that has no server."""

    @property
    def pids(self) -> tuple[int, ...]:
        return (self.pid, self.child) if self.child else (self.pid,)

    def cpu_seconds(self) -> tuple[float, float]:
        """Processor time so far: of the main process, and of all, with all their threads."""
        main = cpu_seconds(self.pid)
        return main, main + (cpu_seconds(self.child) if self.child else 0.0)

    def settle(self) -> None:
        """Wait until it does almost nothing: what was written before may still be compacted."""
        give_up = time.monotonic() + SETTLE_SECONDS
        used = math.inf
        while used > IDLE_RATIO * LOOK_SECONDS and time.monotonic() < give_up:
            before = self.cpu_seconds()[1]
            time.sleep(LOOK_SECONDS)
            used = self.cpu_seconds()[1] - before


class Server(Protocol):
    """What can be started. Equal ones are started once for several cases."""

    @property
    def name(self) -> str: ...

    def running(self) -> AbstractContextManager[Running]: ...


class Interpreter(Protocol):
    """What runs the sidecar, and its peers in Python."""

    def start(
        self, arguments: list[str], environment: Mapping[str, str]
    ) -> AbstractContextManager[int]:
        """Run Python with these arguments on SERVER_CPU; gives the id of the process."""

    def version(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Local:
    """An interpreter of this machine. With `-m` it imports from `root`, where it is started."""

    python: str = sys.executable
    root: Path = ROOT

    @contextmanager
    def start(self, arguments: list[str], environment: Mapping[str, str]) -> Iterator[int]:
        command = ["taskset", "-c", str(SERVER_CPU), self.python, *arguments]
        with process(command, cwd=self.root, env={**os.environ, **environment}) as pid:
            yield pid

    def version(self) -> str:
        command = [self.python, "-c", "import platform; print(platform.python_version())"]
        return subprocess.check_output(command, text=True).strip()


@dataclass(frozen=True, slots=True)
class Image:
    """The interpreter of the container image, in a container with this machine's network."""

    name: str

    @contextmanager
    def start(self, arguments: list[str], environment: Mapping[str, str]) -> Iterator[int]:
        container = podman(
            *("run", "--detach", "--network=host", "--user=0", *LIMITS),
            *(f"--volume={tempfile.gettempdir()}:{tempfile.gettempdir()}", "--workdir=/"),
            *(f"--volume={HERE}:{HERE}:ro", "--entrypoint=python3"),
            *(f"--env={name}={value}" for name, value in environment.items()),
            *(self.name, *arguments),
        )
        try:
            pid = int(podman("inspect", "--format={{.State.Pid}}", container))
            pin(pid, SERVER_CPU)
            yield pid
        finally:
            podman("stop", "--time=20", container)
            podman("rm", "--force", "--time=0", container)

    def version(self) -> str:
        program = "import platform; print(platform.python_version())"
        options = ("--rm", "--network=none", "--entrypoint=python3", *LIMITS)
        return podman("run", *options, self.name, "-c", program)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The sidecar; `cache` and `rules` are the texts of cache.yaml and rules.yaml."""

    name: str = "sidecar"
    cache: str = ""
    rules: str = ""
    module: str = "sidecar"
    """What is run with the sidecar's command line."""
    interpreter: Interpreter = field(default_factory=Local)
    environment: tuple[tuple[str, str], ...] = ()
    slow_disk_ms: int | None = None
    """How long RocksDB's reads of tables and writes of its log take; see `slow_disk.c`."""
    is_scraped: bool = False
    """Prometheus asks for its metrics now and then."""
    in_l3: int = 0
    """Keys with 256 random bytes each that are in L3 from the start."""

    @contextmanager
    def running(self) -> Iterator[Running]:
        with folder() as config:
            (config / "cache.yaml").write_text(self.cache)
            (config / "rules.yaml").write_text(self.rules)
            port, ops, resp = free_port(), free_port(), free_port()
            # Commits before the Redis protocol ignore this variable, and would refuse the flag.
            environment = {"CACHE_SIDECAR_RESP_BIND": f"127.0.0.1:{resp}", **dict(self.environment)}
            if self.slow_disk_ms is not None:
                environment |= slow_disk(config, self.slow_disk_ms)
            if self.in_l3:
                write_l3(config / "data", islice(noise(random.Random(SEED), 256), self.in_l3))
            arguments = (
                f"-m {self.module} serve --data-bind 127.0.0.1:{port} --ops-bind 127.0.0.1:{ops} "
                f"--data-dir {config / 'data'} --config {config} --log-level error"
            )
            with self.interpreter.start(arguments.split(), environment) as pid:
                wait_for(f"http://127.0.0.1:{ops}/readyz", pid)
                child = _child_of(pid)
                if child is not None:
                    pin(child, LOAD_CPU)
                with scraping(ops) if self.is_scraped else nullcontext():
                    yield Running(port, pid, child, ops, resp)

    def fill(self, server: Running, values: Iterable[bytes]) -> None:
        """Put them under key0, key1 and so on, in all peers alike."""
        mset(server.port, values)


@dataclass(frozen=True, slots=True)
class Aiohttp:
    """A bare aiohttp application with a router, over a dict or over diskcache."""

    name: str = "aiohttp"
    interpreter: Interpreter = field(default_factory=Local)
    over_diskcache: bool = False

    @contextmanager
    def running(self) -> Iterator[Running]:
        port = free_port()
        with folder() as data:
            arguments = ["-P", str(HERE / "peer.py"), str(port)]
            arguments += [str(data)] if self.over_diskcache else []
            with self.interpreter.start(arguments, {}) as pid:
                wait_for(f"http://127.0.0.1:{port}/", pid)
                yield Running(port, pid)

    def fill(self, server: Running, values: Iterable[bytes]) -> None:
        put_each(server.port, values)


@dataclass(frozen=True, slots=True)
class Redis:
    """Redis without snapshots; with a log if `appendfsync` is `always`, `everysec` or `no`."""

    name: str = "redis"
    appendfsync: str = ""

    @contextmanager
    def running(self) -> Iterator[Running]:
        port = free_port()
        log = ["--appendonly", "yes", "--appendfsync", self.appendfsync]
        with folder() as data:
            command = [
                *("redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""),
                *("--dir", str(data), "--loglevel", "warning", "--logfile", str(data / "log")),
                *(log if self.appendfsync else ()),
            ]
            with process(["taskset", "-c", str(SERVER_CPU), *command]) as pid:
                wait_for_port(port, pid)
                yield Running(port, pid, resp_port=port)

    def fill(self, server: Running, values: Iterable[bytes]) -> None:
        redis_set(server.port, values)


@dataclass(frozen=True, slots=True)
class Memcached:
    """memcached with one thread."""

    name: str = "memcached"

    @contextmanager
    def running(self) -> Iterator[Running]:
        port = free_port()
        command = f"memcached -u root -l 127.0.0.1 -p {port} -U 0 -t 1 -m 1024 -c 1024"
        with process(["taskset", "-c", str(SERVER_CPU), *command.split()]) as pid:
            wait_for_port(port, pid)
            yield Running(port, pid)


@dataclass(frozen=True, slots=True)
class Diskcache:
    """A folder of diskcache. Each client opens it in its own process, since there is no server: the
    process here is the one that waits for the client.
    """

    name: str = "diskcache"

    @contextmanager
    def running(self) -> Iterator[Running]:
        with folder() as data:
            yield Running(0, os.getpid(), data=data)


@contextmanager
def scraping(ops_port: int) -> Iterator[None]:
    """Scrape at intervals, from a thread of this process."""
    stop = threading.Event()

    def scrape() -> None:
        while not stop.wait(SCRAPE_SECONDS):
            urllib.request.urlopen(f"http://127.0.0.1:{ops_port}/metrics").close()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def slow_disk(config: Path, milliseconds: int) -> dict[str, str]:
    """The environment of a process whose disk is slow. With 0 it differs in nothing else: the shim
    also intercepts writes to sockets.
    """
    shim = config / "slow_disk.so"
    build = ["gcc", "-shared", "-fPIC", "-O2", "-o", str(shim), str(HERE / "slow_disk.c"), "-ldl"]
    subprocess.run(build, check=True)
    return {"LD_PRELOAD": str(shim), "SLOW_DISK_MS": str(milliseconds)}


def _child_of(pid: int) -> int | None:
    """The process of L3; None if it is disabled."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None
