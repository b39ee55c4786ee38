"""Supervision of the child: a stalled one is killed, a slow or idle one is not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.config.knobs import Tuning
from sidecar.config.values import CacheConfig
from sidecar.process.claim import Claim
from sidecar.serving.budget import Budget
from sidecar.store.store import Client, Store
from sidecar.tiers.disk import State
from sidecar.tiers.process import Activity, DiskProcess
from tests.running import wait_until

PATIENCE_SECONDS = 20.0
STUCK_SECONDS = 0.5


def a_store(config: CacheConfig) -> Store:
    policies = CATALOGUE.policies
    return Store(
        time.time, config, policies.make_for, policies.scores, Client(time.time), spare=Budget()
    )


async def eventually(condition: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up, f"never: {what}"
        await asyncio.sleep(0.02)


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[tuple[DiskProcess, Store]]:
    """A child with a short timeout, and a store over it."""
    store = a_store(CacheConfig())
    process = DiskProcess(store.disk, Claim(tmp_path), None, stuck_seconds=STUCK_SECONDS)
    process.enable(enabled=True)
    task = asyncio.create_task(process.run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await store.opened()
    yield process, store
    await process.stop(task, asyncio.Event())


async def test_a_child_that_stands_still_is_ended(watched: tuple[DiskProcess, Store]) -> None:
    """It owes an answer; acknowledged writes are available after it is restarted."""
    process, store = watched
    await store.put(b"ns/key", b"value", "text/plain", 60.0)
    frozen = process.pid
    assert frozen is not None
    os.kill(frozen, signal.SIGSTOP)
    assert await store.get(b"ns/absent") is None  # not answered: a miss
    assert store.stats.timeouts == 1
    await eventually(lambda: process.restarts["hung"] == 1, "the frozen child is ended")
    await eventually(lambda: store.disk.state is State.UP, "there is another child")
    assert process.pid != frozen
    store.memory.pop(b"ns/key")
    hit = await store.get(b"ns/key")
    assert hit is not None
    assert (hit.value, hit.tier) == (b"value", "l3")


async def test_a_child_that_owes_nothing_may_rest(watched: tuple[DiskProcess, Store]) -> None:
    """A child without requests is never checked."""
    process, store = watched
    resting = process.pid
    assert resting is not None
    os.kill(resting, signal.SIGSTOP)
    await asyncio.sleep(3 * STUCK_SECONDS)
    os.kill(resting, signal.SIGCONT)
    assert await store.get(b"ns/absent") is None
    assert store.stats.timeouts == 0
    assert (process.pid, process.restarts.total()) == (resting, 0)


async def test_what_is_paced_is_written_when_it_stops(tmp_path: Path) -> None:
    """A stop ignores the rate: writes answered from memory are available afterwards."""
    config = CacheConfig(durability="memory")
    for life in range(2):
        store = a_store(config)
        process = DiskProcess(store.disk, Claim(tmp_path), None)
        process.enable(enabled=True)
        task = asyncio.create_task(process.run())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await store.opened()
        if life == 0:
            store.apply(config, Tuning(l3_write_bytes_per_second=100_000))
            for n in range(40):
                await store.put(b"ns/%d" % n, bytes(1000), "text/plain", 60.0)
            assert store.disk.waiting
        else:
            hits = [await store.get(b"ns/%d" % n) for n in range(40)]
            assert None not in hits
        await process.stop(task, asyncio.Event())


def test_activity_is_what_the_kernel_says() -> None:
    """A busy process shows activity without output; a stopped one does not."""
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        activity = Activity(busy.pid)
        for _ in range(3):
            wait_until(lambda: activity.still_seconds() == 0.0, "it is seen to move")
        os.kill(busy.pid, signal.SIGSTOP)
        wait_until(lambda: activity.still_seconds() > STUCK_SECONDS, "it is seen to stand")
        activity.suppose()
        assert activity.still_seconds() == 0.0
    finally:
        busy.kill()
        busy.wait()
    assert activity.still_seconds() == 0.0  # it has ended, which is detected elsewhere
