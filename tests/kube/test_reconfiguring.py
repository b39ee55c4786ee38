"""Many reconfigurations under load; the bench `reconfigure` does a thousand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from sidecar.kube.settings import KubeSettings
from tests.http.serving import eventually, running_sidecar
from tests.kube.apiserver import ApiServer
from tests.kube.conftest import Start
from tests.kube.reconfiguring import (
    FAILURES,
    INVALID_EVERY,
    SUCCESSES,
    WORKERS,
    Reconfiguring,
)
from tests.kube.threaded import NAME, NAMESPACE, ThreadedApiServer
from tests.running import RunningSidecar

COUNT = 60


def descriptors(sidecar: RunningSidecar) -> int:
    return len([*Path(f"/proc/{sidecar.pid}/fd").iterdir()])


async def test_many_in_a_row_cost_no_request_and_no_entry(
    start: Start, api: ThreadedApiServer
) -> None:
    """Valid ones come into force in order, all invalid ones are reported, nothing stays open."""
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
    # The last document is invalid, so what is in force does not say when it has been read.
    await eventually(
        lambda: sidecar.metrics()[FAILURES] == COUNT // INVALID_EVERY, "all failures are reported"
    )
    metrics = sidecar.metrics()
    assert metrics[SUCCESSES] == COUNT - COUNT // INVALID_EVERY
    assert descriptors(sidecar) <= before + 2


async def test_a_reconfiguration_leaves_no_task_behind(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sidecar runs in the test's loop, so that tasks can be counted."""
    monkeypatch.setenv("KUBECONFIG", str(server.write_kubeconfig(tmp_path / "kubeconfig")))
    kube = KubeSettings(namespace=NAMESPACE, name=NAME)
    async with running_sidecar(tmp_path, kube) as sidecar, aiohttp.ClientSession() as session:
        here = f"http://127.0.0.1:{sidecar.ports['http']}"
        reconfiguring = Reconfiguring(session, here, server.url, seed=20250602)
        await reconfiguring.run(10)
        before = len(asyncio.all_tasks())
        await reconfiguring.run(COUNT - 10)
        assert len(asyncio.all_tasks()) <= before + WORKERS, "one for each connection at most"
    assert reconfiguring.outcome.failed == []
