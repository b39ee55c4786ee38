"""A real sidecar in a test's event loop, and exchanges of raw bytes with it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from aiohttp import ClientResponse, web
from msgspec.structs import replace

from sidecar.app.settings import Settings
from sidecar.app.sidecar import Sidecar, prepare
from sidecar.control import Control
from sidecar.http.browsers import refuse_cross_site
from sidecar.http.direct import DirectEntries
from sidecar.http.optimizer import OptimizerApi
from sidecar.http.routes import DATA
from sidecar.http.routing import Table
from sidecar.http.server import Router, Server
from sidecar.http.signals import SignalsApi
from sidecar.kube.settings import KubeSettings
from sidecar.model.stats import RequestStats
from sidecar.process.runtime import Runtime
from sidecar.serving.admission import Admission
from sidecar.serving.budget import Budget
from sidecar.serving.limits import Limits

PATIENCE_SECONDS = 20.0
"""The timeout of a test; nothing is measured with it."""


@asynccontextmanager
async def running_sidecar(
    folder: Path, kube: KubeSettings | None = None, resp_bind: tuple[str, int] | None = None
) -> AsyncIterator[Sidecar]:
    """A sidecar with RocksDB in a child process, on free ports and on a Unix socket. `resp_bind` is
    as a default: it is skipped if it is taken.
    """
    settings = Settings(
        data_bind=("127.0.0.1", 0),
        data_socket=folder / "socket",
        ops_bind=("127.0.0.1", 0),
        data_dir=folder / "data",
        data_limit=None,
        linger_seconds=0.0,
        config=None,
        kube=kube,
        resp_bind=resp_bind,
        resp_bind_is_stated=False,
    )
    sidecar = await prepare(settings, Runtime())
    try:
        await sidecar.start()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await sidecar.store.opened()
        yield sidecar
    finally:
        await sidecar.stop(hurry=asyncio.Event())


class Served:
    """A data API with its own limits, on the store of a running sidecar.

    `control` replaces the sidecar's optimizer, and `router` its routes.
    """

    def __init__(
        self,
        live: Sidecar,
        limits: Limits,
        control: Control | None = None,
        router: Router | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.admission = Admission(RequestStats(), limits, budget)
        api = live.data_api()
        if control is not None:
            signals = SignalsApi(control.history)
            api = replace(api, optimizer=OptimizerApi(control), signals=signals)
        direct = DirectEntries(api.entries, live.store, self.admission, time.time)
        router = router or Table(DATA, api, refuse_cross_site)
        self.server = Server("http", router, self.admission, direct.take)
        self._runner = web.ServerRunner(self.server, shutdown_timeout=0.1)

    async def start(self) -> Served:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def stop(self) -> None:
        await self._runner.cleanup()

    @property
    def port(self) -> int:
        return int(self._runner.addresses[0][1])


class Serve(Protocol):
    """Starts a data API of its own, which is stopped at the end of the test."""

    async def __call__(self, limits: Limits, budget: Budget | None = None) -> Served: ...


async def exchange(port: int, *pieces: bytes, hang_up: bool = False) -> bytes:
    """Send raw bytes piece by piece; returns what arrives until the other side closes."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if hang_up:
                writer.write_eof()
            return await reader.read()
        finally:
            writer.close()


async def eventually(holds: Callable[[], object], what: str) -> None:
    """Poll a condition that has no event; fails if it is never true."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"waited in vain until {what}") from None


def request(
    method: str, path: str, *headers: str, body: bytes = b"", version: str = "1.1"
) -> bytes:
    """A request; the caller sets Content-Length."""
    lines = "".join(f"{line}\r\n" for line in ("Host: localhost", *headers))
    return f"{method} {path} HTTP/{version}\r\n{lines}\r\n".encode("latin-1") + body


def raw_problem(answer: bytes, status: int) -> str:
    """The detail of a problem in raw bytes, after a check of its form."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer[:300]
    assert b"Content-Type: application/problem+json" in head
    return _sentence(body, status)


async def problem(answer: ClientResponse, status: int) -> str:
    """The detail of a problem, after a check of its form (RFC 9457)."""
    body = await answer.read()
    assert answer.status == status, body
    assert answer.content_type == "application/problem+json"
    return _sentence(body, status)


def _sentence(body: bytes, status: int) -> str:
    described = json.loads(body)
    assert set(described) == {"type", "title", "status", "detail"}
    assert described["status"] == status
    assert described["detail"].endswith(".")
    return str(described["detail"])
