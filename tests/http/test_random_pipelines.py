"""Random pipelines, sent in random pieces by clients that leave at random moments."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from dataclasses import replace

import pytest

from sidecar.app.sidecar import Sidecar
from tests.http.pipelines import converse
from tests.http.serving import eventually

SEED = 20241129
CONNECTIONS, AT_ONCE = 200, 16


@pytest.mark.parametrize("lossy", [False, True])
async def test_random_pipelines_get_the_answers_of_a_model(live: Sidecar, *, lossy: bool) -> None:
    """In order and whole, while L3 stops, or dies, and the tiers shrink; nothing is left over."""
    await play(live, SEED, CONNECTIONS, lossy=lossy)


async def play(live: Sidecar, seed: int, connections: int, *, lossy: bool) -> int:
    """Serve random connections; returns how many answers were checked."""
    errors: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    small(live, 30)
    disturbing = asyncio.create_task(disturb(live, random.Random(seed), lossy=lossy))
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> int:
        async with slots:
            return await converse(live.ports["http"], f"{seed}-{number}", lossy=lossy)

    try:
        checked = await asyncio.gather(*(one(number) for number in range(connections)))
    finally:
        disturbing.cancel()
        await asyncio.wait([disturbing])
    admission, store = live.admissions["http"], live.store
    await eventually(lambda: admission.connections == 0, "no connection is open")
    await eventually(lambda: admission.stats.in_flight == 0, "no request is in progress")
    await eventually(lambda: not store.disk.pending and not len(store._flights), "L3 has all")
    assert admission.budget.used_bytes == 0
    assert not errors, errors
    return sum(checked)


def small(live: Sidecar, entries: int) -> None:
    """Limit memory, so that entries move between the tiers."""
    config = live.store.config
    tiers = config.tiers
    tiers = replace(
        tiers,
        l1=replace(tiers.l1, max_entries=max(1, entries // 3), max_bytes=300_000),
        l2=replace(tiers.l2, max_entries=entries, max_bytes=1_000_000),
        l3=replace(tiers.l3, max_entries=100_000, timeout_seconds=30.0),
    )
    live.store.apply(replace(config, tiers=tiers))


async def disturb(live: Sidecar, rng: random.Random, *, lossy: bool) -> None:
    """Stop L3 for a moment, or end it; shrink the tiers to one entry, and let them grow again."""
    pid = None
    try:
        while True:
            await asyncio.sleep(rng.random() / 10)
            what = rng.choice(("stop", "stop", "shrink", "kill"))
            if what == "shrink":
                small(live, 1)
                await asyncio.sleep(rng.random() / 10)
                small(live, 30)
                continue
            pid = live.l3.pid
            if pid is None:
                continue
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(rng.random() / 10)
            os.kill(pid, signal.SIGKILL if what == "kill" and lossy else signal.SIGCONT)
    finally:
        if pid is not None and pid == live.l3.pid:
            os.kill(pid, signal.SIGCONT)
