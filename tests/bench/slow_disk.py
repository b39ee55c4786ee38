"""L1 hits while L3 waits for its disk: 200 ms for every read of a table and write of a log.

Two sidecars run at the same time and differ only in the disk. All the time, 16 connections read
keys that are only in L3, and 4 write; a third client that reads keys in L1 is measured.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.bench.load import HERE, Load, Running, say, sidecar, wrk

ROUNDS = 5
HOT_SECONDS = 4
SERVER, LOAD = 0, 1
DELAY_MS = 200
CONFIG = "tiers: {l3: {max_entries: 100000}}\n"


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        shim = build(Path(folder))
        # In both: the shim also intercepts writes to sockets, which must not make a difference.
        fast = {"LD_PRELOAD": str(shim), "SLOW_DISK_MS": "0"}
        slow = {**fast, "SLOW_DISK_MS": str(DELAY_MS)}
        with (
            sidecar(SERVER, LOAD, config=CONFIG, environment=fast) as fast_one,
            sidecar(SERVER, LOAD, config=CONFIG, environment=slow) as slow_one,
        ):
            compare(fast_one, slow_one)


def compare(fast_one: Running, slow_one: Running) -> None:
    for server in (fast_one, slow_one):
        put_hot(server)
    quiet, loads = [], []
    for _ in range(ROUNDS):  # in turns, since the speed of the machine varies
        quiet.append(hot(fast_one))
        with others(slow_one):
            loads.append(hot(slow_one))
    before, after = (median(load.requests_per_second for load in each) for each in (quiet, loads))
    p99s = [median(load.p99 for load in each) * 1e3 for each in (quiet, loads)]
    stats = json.load(urllib.request.urlopen(f"http://127.0.0.1:{slow_one.port}/v1/stats"))
    say(f"    fast disk {before:8.0f}/s p99 {p99s[0]:.2f} ms")
    say(f"    slow disk {after:8.0f}/s p99 {p99s[1]:.2f} ms")
    say(f"    L3 is {stats['l3']['state']}, reads not answered in time: {stats['l3']['timeouts']}")
    say(f"L1 hits beside a slow disk: {after / before:.2f} (at least 0.9), ")
    say(f"their p99 {p99s[1] - p99s[0]:+.2f} ms (within 3)")


def put_hot(server: Running) -> None:
    for number in range(50):
        url = f"http://127.0.0.1:{server.port}/v1/cache/bench/key{number}"
        request = urllib.request.Request(url, b"v" * 256, method="PUT")
        urllib.request.urlopen(request).close()


def hot(server: Running) -> Load:
    return wrk(server, cpu=LOAD, keys=50, seconds=HOT_SECONDS)


@contextmanager
def others(server: Running) -> Iterator[None]:
    """16 connections that read keys that are not in memory, and 4 that write."""
    seconds = HOT_SECONDS + 1
    threads = [
        threading.Thread(
            target=wrk,
            args=(server,),
            kwargs={"cpu": LOAD, "connections": count, "seconds": seconds, **what},
        )
        for count, what in (
            (16, {"namespace": "deep", "keys": 100_000}),
            (4, {"namespace": "written", "keys": 100_000, "method": "PUT"}),
        )
    ]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


def build(folder: Path) -> Path:
    shim = folder / "slow_disk.so"
    source = HERE / "slow_disk.c"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O2", "-o", str(shim), str(source), "-ldl"], check=True
    )
    return shim
