"""A sidecar inside the test's event loop, and one in a process of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
import uvloop

from sidecar.app.sidecar import Sidecar
from sidecar.serving.budget import Budget
from sidecar.serving.limits import Limits
from tests.conftest import StartSidecar
from tests.http.origin import Origin, configured
from tests.http.serving import Serve, Served, running_sidecar
from tests.running import RunningSidecar


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop that `serve` runs: its transports are not asyncio's."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Sidecar]:
    """A running sidecar in this event loop, with its internals accessible to tests."""
    async with running_sidecar(tmp_path) as sidecar:
        yield sidecar


@pytest.fixture
async def client(live: Sidecar) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the data API of `live`."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{live.ports['http']}") as session:
        yield session


@pytest.fixture
async def raw(live: Sidecar) -> AsyncIterator[aiohttp.ClientSession]:
    """The same, which asks for no coding by itself, and decodes none."""
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{live.ports['http']}",
        auto_decompress=False,
        skip_auto_headers=["Accept-Encoding"],
    ) as session:
        yield session


@pytest.fixture
async def serve(live: Sidecar) -> AsyncIterator[Serve]:
    """Starts more data APIs over the same entries, with limits that tests can reach."""
    started: list[Served] = []

    async def start(limits: Limits, budget: Budget | None = None) -> Served:
        started.append(Served(live, limits, budget=budget))
        return await started[-1].start()

    yield start
    for served in started:
        await served.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSidecar]:
    sidecar = RunningSidecar(tmp_path_factory.mktemp("shared") / "data").start()
    yield sidecar
    sidecar.stop()


@pytest.fixture
def sidecar(running: RunningSidecar) -> RunningSidecar:
    """A running sidecar without entries."""
    for namespace in ("test", "t", "other"):
        body = json.dumps({"namespace": namespace, "all": True}).encode()
        assert running.ask("POST", "/v1/invalidate", body).status == 204
    return running


@pytest.fixture
def own_sidecar(start_sidecar: StartSidecar) -> RunningSidecar:
    """A sidecar without counted requests, which a test may kill."""
    return start_sidecar()


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin().served() as served:
        yield served


@pytest.fixture
def through(tmp_path: Path, origin: Origin) -> Iterator[RunningSidecar]:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "cache.yaml").write_text(configured(origin, ", timeout: 2s, negative_ttl: 1s"))
    running = RunningSidecar(tmp_path / "data", flags=("--config", str(folder))).start()
    yield running
    running.stop()
