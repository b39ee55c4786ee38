"""Limits of the data API, over real connections."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.model.stats import RequestStats
from sidecar.serving.limiter import CEILING, FLOOR
from sidecar.signals.requests import request_readings
from tests.app.turning import Panel, shows, small
from tests.http.serving import eventually, problem, request, running_sidecar
from tests.resp.serving import connected

PATH = "/v1/cache/test/"


@asynccontextmanager
async def frozen(live: Sidecar) -> AsyncIterator[None]:
    """L3's process is stopped, so requests that need it wait."""
    child = live.l3.pid
    assert child is not None
    os.kill(child, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(child, signal.SIGCONT)


def session(live: Sidecar, api: str = "http") -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(f"http://127.0.0.1:{live.ports[api]}", connector=connector)


@shows("network.in_flight")
async def test_what_would_wait_behind_too_many_is_turned_away(live: Sidecar) -> None:
    """Once a limit is found, that many requests wait, and the others get a 503 at once. Hits in
    memory, statistics and the ops API are answered as usual; without the limit, no request is
    refused.
    """
    panel = Panel(live, small(l3={"timeout_seconds": 60.0}))
    panel.turn("network.in_flight", "adaptive")
    admission = live.admissions["http"]
    stats = admission.stats
    async with session(live) as client, session(live, "ops") as ops:
        while admission.limiter is None or admission.limiter.limit == CEILING:
            await client.put(f"{PATH}there", data=b"value")
        async with frozen(live):
            waiting = [
                asyncio.create_task(client.get(f"{PATH}absent{n}")) for n in range(FLOOR + 30)
            ]
            await eventually(lambda: stats.shed["in_flight"] == 30, "30 are turned away")
            refused = [task.result() for task in waiting if task.done()]
            await eventually(lambda: stats.in_flight == FLOOR, "the others wait")
            for answer in [*refused, await client.put(f"{PATH}key", data=b"v")]:
                assert answer.headers["Retry-After"] == "1"
                assert f"{FLOOR} requests" in await problem(answer, 503)
            assert (await client.get(f"{PATH}there")).status == 200
            assert (await client.get("/v1/stats")).status == 200
            assert (await ops.get("/livez")).status == 200
            panel.turn("network.in_flight", "unlimited")
            more = asyncio.create_task(client.get(f"{PATH}absent"))
            await eventually(lambda: stats.in_flight == FLOOR + 1, "one more waits")
        answers = await asyncio.gather(*waiting, more)
    assert sorted({answer.status for answer in answers}) == [404, 503]

    def readings() -> dict[str, float]:
        return request_readings({"http": stats, "resp": RequestStats()}, 0)

    assert readings()["network.in_flight"] == FLOOR + 1
    assert readings()["network.in_flight"] == 0


@pytest.fixture
async def speaking(tmp_path: Path) -> AsyncIterator[Sidecar]:
    """A sidecar that speaks the Redis protocol, too."""
    async with running_sidecar(tmp_path, resp_bind=("127.0.0.1", 0)) as it:
        yield it


async def test_so_it_is_over_the_redis_protocol(speaking: Sidecar) -> None:
    """With TRYAGAIN. A client that has sent many commands at once waits for its turn."""
    panel = Panel(speaking, small(l3={"timeout_seconds": 60.0}))
    panel.turn("network.in_flight", "adaptive")
    admission = speaking.admissions["resp"]
    stats = admission.stats
    clients = [await connected(speaking.ports["resp"]) for _ in range(FLOOR + 30)]
    while admission.limiter is None or admission.limiter.limit == CEILING:
        await clients[0]("set", "there", "value")
    async with frozen(speaking):
        waiting = [
            asyncio.create_task(client.raw("get", b"absent%d" % number))
            for number, client in enumerate(clients)
        ]
        await eventually(lambda: stats.shed["in_flight"] == 30, "30 are turned away")
        refused = [task.result() for task in waiting if task.done()]
        assert len(refused) == 30
        assert all(each.startswith(b"-TRYAGAIN There are more requests") for each in refused)
        other = await connected(speaking.ports["resp"])
        assert await other("get", "there") == b"value"
        assert str(await other("set", "key", "v")).startswith("TRYAGAIN")
        panel.turn("network.in_flight", "unlimited")
        more = asyncio.create_task(other("get", "absent"))
        await eventually(lambda: stats.in_flight == FLOOR + 1, "one more waits")
    replies = await asyncio.gather(*waiting, more)
    assert replies.count(b"$-1\r\n") == FLOOR
    for client in (*clients, other):
        await client.close()


@shows("network.keepalive_seconds")
async def test_idle_connections_are_ended_sooner(live: Sidecar) -> None:
    """This includes connections that are already open, but not those that wait for an answer."""
    panel = Panel(live, small(l3={"timeout_seconds": 60.0}))
    address = ("127.0.0.1", live.ports["http"])
    idle, idle_writer = await asyncio.open_connection(*address)
    busy, busy_writer = await asyncio.open_connection(*address)
    idle_writer.write(request("GET", f"{PATH}absent"))
    assert (await idle.readline()).startswith(b"HTTP/1.1 404 ")
    async with frozen(live):
        busy_writer.write(request("GET", f"{PATH}other"))
        await eventually(lambda: live.admissions["http"].stats.in_flight == 1, "it waits")
        panel.turn("network.keepalive_seconds", 0.0)  # 1 s is the least
        async with asyncio.timeout(20):
            await idle.read()  # up to its end
        await eventually(lambda: live.admissions["http"].connections == 1, "one is left")
    assert (await busy.readline()).startswith(b"HTTP/1.1 404 ")
    panel.turn("network.keepalive_seconds", 75.0)
    idle_writer.close()
    busy_writer.close()
