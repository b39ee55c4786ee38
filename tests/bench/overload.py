"""Sides under more load than can be answered, and beside an attack on the ops port."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tests.bench.load import Load
from tests.bench.measuring import Figures
from tests.bench.servers import HERE, LOAD_CPU, ROOT, Running, Sidecar
from tests.bench.sides import Answered, Http, measured

REFUSED_RATIO = "refused_ratio"
"""Requests that were refused, over all."""
LIVEZ = "livez_seconds"
"""The slowest answer of /livez in a round."""
PROBE_SECONDS = 0.1
PUT_BYTES = 256
ATTACK_BEFORE_SECONDS, ATTACK_AFTER_SECONDS = 1.0, 0.5


@cache
def closed_loop() -> Path:
    """The program, compiled."""
    program = Path(mkdtemp(prefix="cache-sidecar-bench-")) / "closed_loop"
    build = ["gcc", "-O2", "-Wall", "-o", str(program), str(HERE / "closed_loop.c")]
    subprocess.run(build, check=True)
    return program


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """GETs of a tier, or PUTs, from so many connections, each of which always asks again; what is
    counted are those that are accepted.
    """

    server: Sidecar
    connections: int
    answered: Answered = "l1"
    keys: int = 100

    def prepare(self, server: Running) -> None:
        Http(self.server, self.answered, self.keys).prepare(server)

    def measure(self, server: Running, seconds: int) -> Figures:
        refused = 0.0

        def load() -> Load:
            nonlocal refused
            command = (
                f"taskset -c {LOAD_CPU} {closed_loop()} {server.port} {self.connections} {seconds} "
                f"{self.keys} /v1/cache/bench/key"
            )
            if self.answered == "written":
                command += f" {PUT_BYTES}"
            line = subprocess.check_output(command.split(), text=True)
            accepted, refusals, _, micros, p50, p99, *_ = map(int, line.split())
            refused = refusals / (accepted + refusals)
            return Load(accepted, micros / 1e6, 0, p50 / 1e6, p99 / 1e6)

        figures, _ = measured(server, load)
        return figures | {REFUSED_RATIO: refused}


@dataclass(frozen=True, slots=True)
class Attacked:
    """Another side while the ops port is attacked, and probed; by clients that do `nothing`, as a
    peer, which take the load's processor as well.
    """

    side: Http
    kind: str
    connections: int

    @property
    def server(self) -> Sidecar:
        assert isinstance(self.side.server, Sidecar)
        return self.side.server

    def prepare(self, server: Running) -> None:
        self.side.prepare(server)

    def measure(self, server: Running, seconds: int) -> Figures:
        lasts = ATTACK_BEFORE_SECONDS + seconds + ATTACK_AFTER_SECONDS
        # It shares a processor with the load, and lowers its rate by that.
        attack = f"nice -n 19 taskset -c {LOAD_CPU} {sys.executable} -m tests.bench.attacking"
        numbers = [str(server.ops_port), str(self.connections), str(lasts)]
        with subprocess.Popen([*attack.split(), self.kind, *numbers], cwd=ROOT):
            time.sleep(ATTACK_BEFORE_SECONDS)
            with probing(server) as took:
                figures = self.side.measure(server, seconds)
        return figures | {LIVEZ: max(took)}


@contextmanager
def probing(server: Running) -> Iterator[list[float]]:
    """How long each probe took, from a thread of this process; one that failed took for ever."""
    took: list[float] = []
    stop = threading.Event()

    def probe() -> None:
        while not stop.is_set() or not took:
            began = time.perf_counter()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{server.ops_port}/livez").close()
                took.append(time.perf_counter() - began)
            except OSError:
                took.append(float("inf"))
            stop.wait(PROBE_SECONDS)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join()
