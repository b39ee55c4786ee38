"""What metrics cost: GET of an L1 hit with them against the same with the counters compiled out.

The side with metrics is scraped every five seconds meanwhile. Both sides take turns of one second,
since what else a machine does changes more slowly than that.
"""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from tests.bench.http import LOAD, SERVER
from tests.bench.load import Running, say, sidecar, wrk
from tests.bench.optimizer import measured

WANTED = 0.97
ROUNDS, TURN_SECONDS, SCRAPE_SECONDS = 40, 1, 5.0


def run() -> None:
    """Throughput, and processor time, which noise spares, in turns."""
    with (
        sidecar(SERVER, LOAD) as counted,
        sidecar(SERVER, LOAD, module="tests.bench.uncounted") as bare,
        scraped(counted),
    ):
        for server in (counted, bare):
            wrk(server, cpu=LOAD, method="PUT", seconds=2)
        pairs = [
            (measured(counted, TURN_SECONDS), measured(bare, TURN_SECONDS)) for _ in range(ROUNDS)
        ]
    for name, index in (("throughput", 0), ("requests a second of processor time", 1)):
        ratio = median(ours[index] / theirs[index] for ours, theirs in pairs)
        say(
            f"GET of an L1 hit, metrics on against compiled out, {name}: {ratio:.3f}"
            f" (at least {WANTED})"
        )


@contextmanager
def scraped(server: Running) -> Iterator[None]:
    """Now and then, from a thread of this process."""
    stop = threading.Event()

    def scrape() -> None:
        while not stop.wait(SCRAPE_SECONDS):
            urllib.request.urlopen(f"http://127.0.0.1:{server.ops_port}/metrics").close()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
