"""The cost of metrics: GET of an L1 hit with counters, and with the counters compiled out.

The side with metrics is scraped every five seconds. The sides alternate every second, since other
load on a machine changes more slowly.
"""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from tests.bench.http import LOAD, SERVER
from tests.bench.load import Running, say, sidecar, wrk
from tests.bench.optimizer import OFF, measured

WANTED = 0.97
PROCESSES, TURNS, TURN_SECONDS, SCRAPE_SECONDS = 8, 6, 1, 5.0

Rates = tuple[float, float]


def run() -> None:
    """Throughput, and processor time, which noise spares. The optimizer would look at numbers on
    one side and at none on the other, and has a measurement of its own.
    """
    pairs = [pair for _ in range(PROCESSES) for pair in _turns()]
    for name, index in (("throughput", 0), ("requests a second of processor time", 1)):
        ratio = median(ours[index] / theirs[index] for ours, theirs in pairs)
        say(
            f"GET of an L1 hit, metrics on against compiled out, {name}: {ratio:.3f}"
            f" (at least {WANTED})"
        )


def _turns() -> list[tuple[Rates, Rates]]:
    """The turns of two new processes: the speed of each depends on its memory layout."""
    with (
        sidecar(SERVER, LOAD, rules=OFF) as counted,
        sidecar(SERVER, LOAD, rules=OFF, module="tests.bench.uncounted") as bare,
        scraped(counted),
    ):
        for server in (counted, bare):
            wrk(server, cpu=LOAD, method="PUT", seconds=1)
        return [_pair(counted, bare, swapped=bool(number % 2)) for number in range(TURNS)]


def _pair(counted: Running, bare: Running, *, swapped: bool) -> tuple[Rates, Rates]:
    """One turn of each, in either order."""
    if swapped:
        second, first = measured(bare, TURN_SECONDS), measured(counted, TURN_SECONDS)
        return first, second
    return measured(counted, TURN_SECONDS), measured(bare, TURN_SECONDS)


@contextmanager
def scraped(server: Running) -> Iterator[None]:
    """Scrape at intervals, from a thread of this process."""
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
