"""When warmers run: at the start, on schedules, never before L3 was opened, and never twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.config.schedules import Schedule
from sidecar.tiers.disk import State
from sidecar.warmers.warmers import Warmers
from tests.http.serving import eventually
from tests.warmers.warming import Warming, lines, of_file, steered

MIDNIGHT = 1_750_032_000.0


class Told:
    def __init__(self) -> None:
        self.now = MIDNIGHT

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def warming(live: Sidecar, tmp_path: Path, told: Told) -> AsyncIterator[Warming]:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "export").write_bytes(lines([("k", "v")]))
    warming = Warming(live, folder, told)
    yield warming
    await warming.warmers.close()


@asynccontextmanager
async def following(warmers: Warmers) -> AsyncIterator[None]:
    task = asyncio.create_task(warmers.follow())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def runs(warming: Warming) -> int:
    [standing] = warming.warmers
    return standing.runs.total()


async def test_a_warmer_runs_at_the_start_once(warming: Warming) -> None:
    warming.warmers.configure([of_file("export", on_start=True)])
    async with following(warming.warmers):
        await eventually(lambda: runs(warming) == 1, "it has run")
        warming.warmers.configure([of_file("export", on_start=True, replace=True)])
        await asyncio.sleep(0.05)
        assert runs(warming) == 1
    [standing] = warming.warmers
    assert standing.last is not None
    assert (standing.last.cause, standing.last.loaded) == ("start", 1)


async def test_a_warmer_that_is_added_runs_then(warming: Warming) -> None:
    async with following(warming.warmers):
        await asyncio.sleep(0)
        warming.warmers.configure([of_file("export", on_start=True)])
        await eventually(lambda: runs(warming) == 1, "it has run")


async def test_no_warmer_runs_before_l3_was_opened(warming: Warming) -> None:
    """Which is when the sidecar becomes ready."""
    disk = warming.live.store.disk
    started = disk.started
    disk.started = False
    warming.warmers.configure([of_file("export", on_start=True)])
    async with following(warming.warmers):
        await asyncio.sleep(0.05)
        [standing] = warming.warmers
        assert standing.run is None
        disk.started = started
    assert disk.state is State.UP


async def test_a_schedule_starts_runs(warming: Warming, told: Told) -> None:
    """At its times only; what was missed while the clock jumped runs once."""
    warming.warmers.configure([of_file("export", schedule=Schedule("0 4 * * *"))])
    [standing] = warming.warmers
    for hours, expected in ((0.0, 0), (3.99, 0), (4.0, 1), (4.01, 1), (28.0, 2), (24.0 * 9, 3)):
        told.now = MIDNIGHT + hours * 3600
        async with following(warming.warmers):
            await eventually(lambda: standing.next_at and standing.next_at > told.now, "it looked")
            await eventually(lambda: standing.run is None, "the run has ended")
        assert runs(warming) == expected
    assert standing.next_at == MIDNIGHT + (24 * 9 + 4) * 3600
    assert standing.last is not None
    assert standing.last.cause == "schedule"


async def test_jitter_spreads_pods(warming: Warming, told: Told) -> None:
    """Over all of it, and never earlier than the schedule."""
    config = of_file("export", schedule=Schedule("0 4 * * *"), jitter_seconds=600.0)
    delays = []
    for seed in range(50):
        rng = random.Random(seed)
        warmers = Warmers(warming.runner, warming.live.store, told, rng)
        warmers.configure([config])
        [standing] = warmers
        async with following(warmers):
            await eventually(lambda: standing.next_at, "it looked")  # noqa: B023
        assert standing.next_at is not None
        delays.append(standing.next_at - MIDNIGHT - 4 * 3600)
    assert min(delays) >= 0
    assert min(delays) < 100
    assert 500 < max(delays) <= 600


async def test_a_schedule_that_is_due_during_a_run_starts_none(
    warming: Warming, told: Told
) -> None:
    config = replace(steered(), schedule=Schedule("* * * * *"))
    warming.warmers.configure([config])
    [standing] = warming.warmers
    warming.warmers.start("a", "request")
    async with following(warming.warmers):
        await eventually(lambda: standing.next_at, "it looked")
    told.now += 3600
    async with following(warming.warmers):
        await eventually(lambda: standing.next_at and standing.next_at > told.now, "it looked")
    assert warming.source.opened <= 1
    assert standing.run is not None


async def test_a_changed_schedule_is_used_at_once(warming: Warming, told: Told) -> None:
    warming.warmers.configure([of_file("export", schedule=Schedule("0 4 * * *"))])
    async with following(warming.warmers):
        [standing] = warming.warmers
        await eventually(lambda: standing.next_at == MIDNIGHT + 4 * 3600, "it looked")
        warming.warmers.configure([of_file("export", schedule=Schedule("0 5 * * *"))])
        await eventually(lambda: standing.next_at == MIDNIGHT + 5 * 3600, "it looked again")
        warming.warmers.configure([of_file("export")])
        assert standing.next_at is None


async def test_counts_outlive_a_change_and_not_a_removal(warming: Warming) -> None:
    await warming.run(of_file("export"))
    warming.warmers.configure([of_file("export", replace=True)])
    assert runs(warming) == 1
    warming.warmers.configure([])
    warming.warmers.configure([of_file("export")])
    assert runs(warming) == 0
