"""The Redis protocol in the process of the test, over a real store with a real child."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hiredis

from sidecar.catalogue import CATALOGUE
from sidecar.config.values import CacheConfig
from sidecar.model.stats import RequestStats
from sidecar.process.claim import Claim
from sidecar.resp.commands import ALL
from sidecar.resp.listener import Listener
from sidecar.resp.service import Service
from sidecar.serving.admission import Admission
from sidecar.serving.budget import Budget
from sidecar.serving.token import Token
from sidecar.store.store import Client, Store
from sidecar.tiers.process import DiskProcess
from tests.resp.servers import encoded
from tests.running import PATIENCE_SECONDS


class Dialog:
    """A connection, of which each reply is known byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def raw(self, *arguments: bytes | str | int) -> bytes:
        """The reply to a command, as it is sent."""
        self._writer.write(
            encoded([each if isinstance(each, bytes) else str(each).encode() for each in arguments])
        )
        parser, data = hiredis.Reader(), b""
        while parser.gets() is False:
            async with asyncio.timeout(PATIENCE_SECONDS):
                some = await self._reader.read(1 << 20)
            assert some, "the connection was closed"
            data += some
            parser.feed(some)
        return data

    async def __call__(self, *arguments: bytes | str | int) -> Any:
        """The reply, parsed; an error is one of `hiredis.ReplyError`."""
        parser = hiredis.Reader()
        parser.feed(await self.raw(*arguments))
        return parser.gets()

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@dataclass
class Served:
    """A listener, and what is behind it."""

    port: int
    store: Store
    service: Service

    async def connect(self) -> Dialog:
        return await connected(self.port)


async def connected(port: int) -> Dialog:
    return Dialog(*await asyncio.open_connection("127.0.0.1", port))


@asynccontextmanager
async def serving(
    folder: Path, config: CacheConfig | None = None, token: Token | None = None
) -> AsyncIterator[Served]:
    """A listener on a free port, with L3 in `folder`; with memory alone if L3 is disabled."""
    config, budget = config or CacheConfig(), Budget()
    policies = CATALOGUE.policies
    store = Store(
        time.time, config, policies.make_for, policies.scores, Client(time.time), spare=budget
    )
    process = DiskProcess(store.disk, Claim(folder), None)
    task = asyncio.create_task(process.run())
    if config.tiers.l3.enabled:
        process.enable(enabled=True)
    else:
        store.disk.give_up()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await store.opened()
    service = Service(store, time.time, Admission(RequestStats(), None, budget), ALL, token)
    loop = asyncio.get_running_loop()
    listener = Listener(service)
    server = await loop.create_server(listener, "127.0.0.1", 0)
    try:
        yield Served(server.sockets[0].getsockname()[1], store, service)
    finally:
        server.close()
        await listener.close(1.0)
        await process.stop(task, asyncio.Event())
