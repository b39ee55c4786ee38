"""A server that fails on demand, and a source that watches it without real waits."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from sidecar.kube.configmap import ConfigMap
from sidecar.kube.connection import Connection
from sidecar.kube.source import Sighting, Source
from sidecar.kube.trouble import Trouble
from tests.conftest import StartSidecar
from tests.kube.apiserver import ApiServer
from tests.kube.threaded import NAME, NAMESPACE, ThreadedApiServer
from tests.running import RunningSidecar

PATIENCE_SECONDS = 20.0
"""The timeout of a test; nothing is measured with it."""


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    running = await ApiServer().start()
    yield running
    await running.stop()


class Watching:
    """A source in the background, with its sightings and troubles.

    Its waits take no time: they advance its clock, in addition to the real time.
    """

    def __init__(self, server: ApiServer, folder: Path, silence_seconds: float = 5.0) -> None:
        self.sightings: asyncio.Queue[Sighting] = asyncio.Queue()
        self.troubles: list[Trouble] = []
        self.contacts = 0
        self.waits: list[float] = []
        self.waited_at: list[float] = []
        """The real times of the waits, as those of the server's requests."""
        kubeconfig = str(server.write_kubeconfig(folder / "kube"))
        self.connection = Connection({"KUBECONFIG": kubeconfig}, answer_seconds=silence_seconds)
        self._skipped = 0.0
        self.source = Source(
            self.connection,
            NAMESPACE,
            NAME,
            on_contact=self._on_contact,
            on_trouble=self.troubles.append,
            rng=random.Random(20250601),
            silence_seconds=silence_seconds,
            clock=self.now,
            sleep=self._sleep,
        )
        self._task = asyncio.create_task(self._run())

    def now(self) -> float:
        return asyncio.get_running_loop().time() + self._skipped

    async def upcoming(self) -> ConfigMap | None:
        """The next sighting."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.sightings.get()

    async def texts(self) -> dict[str, str]:
        """The texts in the next sighting, which must be that of a ConfigMap."""
        found = await self.upcoming()
        assert found is not None
        return found.texts()

    async def until_troubled(self) -> str:
        """The next trouble, as a sentence."""
        await until(lambda: self.troubles)
        return str(self.troubles.pop(0))

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.connection.close()

    async def _run(self) -> None:
        async with aclosing(self.source.sightings()) as sightings:
            async for sighting in sightings:
                self.sightings.put_nowait(sighting)

    def _on_contact(self) -> None:
        self.contacts += 1

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.waited_at.append(time.monotonic())
        self._skipped += seconds
        await asyncio.sleep(0)


Watch = Callable[..., Watching]


@pytest.fixture
async def watch(server: ApiServer, tmp_path: Path) -> AsyncIterator[Watch]:
    """Starts watches, and ends them after the test."""
    begun: list[Watching] = []

    def begin(silence_seconds: float = 5.0) -> Watching:
        begun.append(Watching(server, tmp_path, silence_seconds))
        return begun[-1]

    yield begin
    for watching in begun:
        await watching.close()


@pytest.fixture
async def watching(server: ApiServer, watch: Watch) -> Watching:
    """A source that has seen `promote_after: 1` and continues to watch."""
    server.configmaps.put(NAMESPACE, NAME, document(1))
    watching = watch()
    assert await watching.texts() == document(1)["data"]
    await until(lambda: len(server.watches) == 1)
    return watching


def document(number: int) -> dict[str, dict[str, str]]:
    """The body of a ConfigMap."""
    return {"data": {"cache.yaml": f"promote_after: {number}\n"}}


async def until(holds: object) -> None:
    """Let the loop run until a condition is true."""
    assert callable(holds)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(0.002)


# ---- a real sidecar beside it

Start = Callable[..., RunningSidecar]


@pytest.fixture
def api() -> Iterator[ThreadedApiServer]:
    running = ThreadedApiServer().start()
    yield running
    running.close()


@pytest.fixture
def start(start_sidecar: StartSidecar, api: ThreadedApiServer, tmp_path: Path) -> Start:
    """Starts a sidecar that watches the ConfigMap."""
    kubeconfig = api.server.write_kubeconfig(tmp_path / "kubeconfig")

    def begin(*flags: str) -> RunningSidecar:
        watched = f"{NAMESPACE}/{NAME}"
        return start_sidecar("--configmap", watched, *flags, KUBECONFIG=str(kubeconfig))

    return begin


def promote_after(sidecar: RunningSidecar) -> int:
    return int(sidecar.config()["effective"]["promote_after"])


def notes(sidecar: RunningSidecar) -> str:
    return " ".join(json.loads(sidecar.ops("/readyz").body)["notes"])
