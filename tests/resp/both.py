"""Both protocols over one store, in the process of the test, with a clock that is told the time.

The listeners, the store, the child of L3 and the sockets are real.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import quote_from_bytes

import hiredis
import msgspec
import uvloop
from aiohttp import web

from sidecar.catalogue import CATALOGUE
from sidecar.config.knobs import Tuning
from sidecar.config.values import CacheConfig
from sidecar.http.admin import AdminApi
from sidecar.http.batch import BatchApi
from sidecar.http.data import EntryApi
from sidecar.http.direct import DirectEntries
from sidecar.http.routes import DATA, DataApi
from sidecar.http.routing import Table
from sidecar.http.server import Server
from sidecar.loading.loader import Loader
from sidecar.model.stats import RequestStats
from sidecar.process.claim import Claim
from sidecar.resp.commands import ALL
from sidecar.resp.listener import Listener
from sidecar.resp.service import Service
from sidecar.serving.admission import Admission
from sidecar.serving.budget import Budget
from sidecar.store.store import Client, Store
from sidecar.store.upkeep import sweep, upkeep
from sidecar.tiers.disk import State
from sidecar.tiers.process import DiskProcess
from tests.resp.servers import encoded
from tests.running import PATIENCE_SECONDS

OPERATIONS = {
    "get",
    "head",
    "put",
    "touch",
    "count",
    "delete",
    "mget",
    "mset",
    "mdelete",
    "invalidate",
    "keys",
}
AHEAD_SECONDS = 86_400
"""How far the clock is ahead of that of the system, which a child of L3 has until it is told more:
nothing expires too early."""
MESSAGEPACK = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
T = TypeVar("T")


class Wrong(NamedTuple):
    """An error reply: its code."""

    code: str


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Http:
    """One connection to the data API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        fields = {"Host": "localhost", "Content-Length": str(len(body)), **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            first, *rest = head.splitlines()[:-1]
            status = int(first.split()[1])
            found = dict(line.split(": ", 1) for line in rest)
            has_body = method != "HEAD" and status not in {204, 304}
            size = int(found.get("Content-Length", 0)) if has_body else 0
            return Answer(status, found, await self._reader.readexactly(size))

    async def batch(self, path: str, body: object) -> list[Any]:
        """The answer to a call for many keys, which is always given."""
        answer = await self.ask("POST", path, msgspec.msgpack.encode(body), MESSAGEPACK)
        assert answer.status == 200, answer
        found: list[Any] = msgspec.msgpack.decode(answer.body)["entries"]
        return found

    def close(self) -> None:
        self._writer.close()


class Resp:
    """One connection to the Redis protocol, in one namespace."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, *commands: Sequence[bytes]) -> list[Any]:
        """The replies to these commands, sent at once."""
        self._writer.write(b"".join(map(encoded, commands)))
        parser: Any = hiredis.Reader(notEnoughData=Ellipsis)
        replies: list[Any] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(replies) < len(commands):
                if (reply := parser.gets()) is not Ellipsis:
                    replies.append(_with_codes(reply))
                    continue
                data = await self._reader.read(1 << 18)
                assert data, "the connection was closed"
                parser.feed(data)
        return replies

    def close(self) -> None:
        self._writer.close()


def _with_codes(reply: Any) -> Any:
    if isinstance(reply, hiredis.ReplyError):
        return Wrong(str(reply).partition(" ")[0])
    return [_with_codes(each) for each in reply] if isinstance(reply, list) else reply


class Both:
    """The server and one client of each kind. `run` lets all of it run."""

    http: Http
    _server: asyncio.Server

    def __init__(self, folder: Path, spaces: Sequence[bytes]) -> None:
        self.now = float(int(time.time()) + AHEAD_SECONDS)
        self.loop = uvloop.new_event_loop()
        self.resp: dict[bytes, Resp] = {}
        self.other: dict[bytes, Resp] = {}
        self.run(self._start(folder, spaces))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    async def _start(self, folder: Path, spaces: Sequence[bytes]) -> None:
        def clock() -> float:
            return self.now

        budget, policies, config = Budget(), CATALOGUE.policies, CacheConfig()
        disk = Client(clock)
        store = Store(clock, config, policies.make_for, policies.scores, disk, spare=budget)
        self.store = store
        self.process = DiskProcess(store.disk, Claim(folder), None)
        self._task = asyncio.create_task(self.process.run())
        self._upkeep = asyncio.create_task(upkeep(store))
        self.process.enable(enabled=True)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await store.opened()
        service = Service(store, clock, Admission(RequestStats(), None, budget), ALL)
        self._listener = Listener(service)
        server = await self.loop.create_server(self._listener, "127.0.0.1", 0)
        self._server = cast(asyncio.Server, server)
        port = self._server.sockets[0].getsockname()[1]
        self._runner = await self._serve_http(store, budget)
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.http = Http(*await asyncio.open_connection("127.0.0.1", self._runner.addresses[0][1]))
        for space in spaces:
            for connections in (self.resp, self.other):
                connections[space] = Resp(*await asyncio.open_connection("127.0.0.1", port))
                name = space.removeprefix(b"db") if space[2:].isdigit() else space
                assert await connections[space].ask((b"SELECT", name)) == [b"OK"]

    async def _serve_http(self, store: Store, budget: Budget) -> web.ServerRunner:
        """The part of the data API that is of entries."""

        def clock() -> float:
            return self.now

        nothing = cast(Any, None)
        loader = Loader(store, nothing, clock)  # no namespace has an origin
        api = DataApi(
            entries=EntryApi(store, clock, loader),
            batch=BatchApi(store, clock, loader),
            admin=AdminApi(store, clock, nothing, nothing),
            **dict.fromkeys(("optimizer", "signals", "warming", "console", "description"), nothing),
        )
        admission = Admission(RequestStats(), None, budget)
        direct = DirectEntries(api.entries, store, admission, clock)
        routes = [route for route in DATA if route.operation in OPERATIONS]
        runner = web.ServerRunner(
            Server("http", Table(routes, api), admission, direct.take), shutdown_timeout=0.1
        )
        await runner.setup()
        return runner

    async def configure(self, config: CacheConfig, tuning: Tuning) -> None:
        """Put another configuration in force, and wait until the tiers have what it says."""
        self.store.apply(config, tuning)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.store.memory.drain():
                await asyncio.sleep(0)

    async def sweep(self) -> None:
        """Free what has expired or was invalidated, until nothing has to be compared with that any
        more.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            await sweep(self.store)
            while self.store.invalidations.any:
                await asyncio.sleep(0)  # L3 has to answer, and to sweep nothing awaits nothing
                await sweep(self.store)

    def kill_l3(self) -> None:
        """kill -9, at which nothing is given up."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)

    async def recovered(self) -> None:
        """Wait until L3 has died, and serves again."""
        restarts = self.process.restarts
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (restarts["crashed"] and self.store.disk.state is State.UP):
                await asyncio.sleep(0.005)
        restarts.clear()

    def close(self) -> None:
        self.run(self._stop())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()

    async def _stop(self) -> None:
        self.http.close()
        for each in (*self.resp.values(), *self.other.values()):
            each.close()
        self._server.close()
        await self._listener.close(1.0)
        await self._runner.cleanup()
        self._upkeep.cancel()
        await self.process.stop(self._task, asyncio.Event())


def path_of(key: bytes) -> str:
    return f"/v1/cache/{quote_from_bytes(key)}"
