"""Many reconfigurations in a row under load; the bench `reconfigure` does a thousand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from tests.kube.conftest import Start
from tests.kube.reconfiguring import FAILURES, INVALID_EVERY, SUCCESSES, Reconfiguring
from tests.kube.threaded import ThreadedApiServer
from tests.running import RunningSidecar

COUNT = 60


def descriptors(sidecar: RunningSidecar) -> int:
    return len([*Path(f"/proc/{sidecar.pid}/fd").iterdir()])


async def test_many_in_a_row_cost_no_request_and_no_entry(
    start: Start, api: ThreadedApiServer
) -> None:
    """The good ones come in force in order, the bad ones are all reported, nothing is left open."""
    sidecar = await asyncio.to_thread(start)
    async with aiohttp.ClientSession() as session:
        urls = f"http://127.0.0.1:{sidecar.port}", api.server.url
        reconfiguring = Reconfiguring(session, *urls, seed=20250601)
        await reconfiguring.run(10)
        before = descriptors(sidecar)
        await reconfiguring.run(COUNT - 10)
        outcome = reconfiguring.outcome
    assert outcome.requests > COUNT
    assert (outcome.failed, outcome.lost) == ([], [])
    assert outcome.seen == sorted(outcome.seen)
    metrics = await asyncio.to_thread(sidecar.metrics)
    assert metrics[FAILURES] == COUNT // INVALID_EVERY
    assert metrics[SUCCESSES] == COUNT - COUNT // INVALID_EVERY
    assert descriptors(sidecar) <= before + 2
