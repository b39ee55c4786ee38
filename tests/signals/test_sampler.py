"""Readings of a real process and of fixture trees, second by second."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from pathlib import Path

from structlog.testing import capture_logs

from sidecar.catalogue import CATALOGUE
from sidecar.model.stats import RequestStats
from sidecar.process import usage
from sidecar.process.garbage import Collections
from sidecar.signals.history import History
from sidecar.signals.requests import request_readings
from sidecar.signals.sampler import Sampler
from sidecar.signals.signal import Gauge, Reader, Signal
from sidecar.signals.sources import Sources
from tests.signals.reading import sources
from tests.signals.trees import v2


async def test_every_reading_has_a_source(tmp_path: Path) -> None:
    """Under cgroup v2, with PSI and L3, all signals have their readings."""
    history = History(CATALOGUE.signals)
    sampler = Sampler(history, sources(v2(tmp_path)))
    await sampler.sample()
    missing = [name for name in history.readings if name not in history.known]
    assert missing == []
    assert history.last("memory.utilization", 1) == 70 / 256
    assert history.last("cache.l1.fill", 1) == 0.5
    assert history.last("io.l3_queue", 1) == 3


async def test_processor_time_is_over_the_quota(tmp_path: Path) -> None:
    """One busy processor under a quota of half a processor gives twice the quota."""
    history = History(CATALOGUE.signals)
    sampler = Sampler(history, sources(v2(tmp_path)))
    for _ in range(4):
        await sampler.sample()
        began = time.process_time()
        while time.process_time() - began < 0.2:
            pass
    await sampler.sample()
    busy = history.over("cpu.utilization", history.first_at, history.last_at)
    assert busy is not None
    assert 0.5 < busy < 2.5  # 2 but for what others took of the machine


async def test_a_reader_that_fails_leaves_the_other_signals(tmp_path: Path) -> None:
    """Its signals have no value until it works again, and the log reports it once."""
    broken = True

    def read(_: Sources) -> dict[str, float]:
        if broken:
            raise RuntimeError("no reading")
        return {"moon.phase": 0.5}

    moon = Signal("moon.phase", "ratio", "Of the moon.", Gauge("moon.phase"), Reader(read))
    history = History({**CATALOGUE.signals, moon.name: moon})
    sampler = Sampler(history, sources(v2(tmp_path)))
    with capture_logs() as logged:
        await sampler.sample()
        await sampler.sample()
    assert history.last("moon.phase", 1) is None
    assert history.last("cache.l1.fill", 1) == 0.5
    [event] = [each for each in logged if each["event"] == "Signals cannot be read"]
    assert event["signals"] == ["moon.phase"]
    broken = False
    await sampler.sample()
    assert history.last("moon.phase", 1) == 0.5


async def test_a_late_event_loop_is_seen(tmp_path: Path) -> None:
    """A loop that is blocked for 0.3 s has a lag of about that."""
    history = History(CATALOGUE.signals)
    sampler = Sampler(history, sources(tmp_path))

    async def first() -> float:
        return await anext(aiter(sampler.samples()))

    task = asyncio.create_task(first())
    await asyncio.sleep(0.05)
    time.sleep(0.3)  # noqa: ASYNC251  (that is the point)
    assert await task == history.last_at
    lag = history.last("cpu.loop_lag_seconds", 1)
    assert lag is not None
    assert lag > 0.15


def test_collections_are_counted_by_generation() -> None:
    """The counts are those of `gc`, with a pause for each collection."""
    tracked: list[list[int]] = [[] for _ in range(1000)]
    garbage = Collections()
    garbage.watch()
    try:
        gc.collect(0)
        gc.collect(2)
        gc.collect(2)
    finally:
        garbage.close()
    gc.collect(2)
    readings = garbage.readings(0.0)
    assert readings["gc.gen2.collections"] == 2
    assert readings["gc.gen0.collections"] >= 1
    assert readings["gc.gen2.pause_seconds"] > 0
    assert readings["gc.tracked_objects"] > len(tracked)


def test_a_process_that_has_ended_counts_nothing(tmp_path: Path) -> None:
    """L3's process may end between two samples."""
    ended = 2**22 + 1  # above the largest process id
    readings = usage.readings({"l3": ended}, tmp_path)
    assert readings["memory.resident_bytes"] == 0
    assert readings["io.disk_free_bytes"] > 0


def test_requests_are_counted_by_operation_and_over_both_protocols() -> None:
    """GETs are in the histograms of their protocol and of both, and all requests in the sums."""
    http, resp = RequestStats(shed=Counter(buffers=2)), RequestStats(shed=Counter(late=1))
    http.observe("get", 200, 0.0002)
    http.observe("put", 201, 0.002)
    http.observe("delete", 204, 0.002)
    resp.observe("get", 404, 0.0002, 5)
    resp.observe("set", 200, 0.002, 2)
    http.most_in_flight, resp.most_in_flight = 3, 4
    readings = request_readings({"http": http, "resp": resp}, 7)

    def counted(histogram: str) -> float:
        return sum(value for name, value in readings.items() if name.startswith(f"{histogram}."))

    assert readings["network.connections"] == 7
    assert readings["network.in_flight"] == 7
    assert readings["network.requests"] == 10
    assert readings["resp.requests"] == 7
    assert readings["network.shed"] == 3
    counts = {name: counted(name) for name in ("http.get", "http.put", "resp.get", "resp.set")}
    assert counts == {"http.get": 1, "http.put": 1, "resp.get": 5, "resp.set": 2}
    assert counted("network.get") == 6
