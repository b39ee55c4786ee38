"""/v1/signals: the course of a signal, compared with readings that the test takes itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from msgspec.structs import replace

from sidecar.app.sidecar import Sidecar
from sidecar.catalogue import CATALOGUE
from sidecar.http.routes import DATA
from sidecar.http.routing import Route, Table
from sidecar.http.server import Server
from sidecar.http.signals import MOST_POINTS, SignalsApi
from sidecar.model.stats import RequestStats
from sidecar.serving.admission import Admission
from sidecar.signals.history import History
from tests.http.serving import problem

ROUTE: Route[Any] = next(route for route in DATA if route.path == "/v1/signals")
WALL_AHEAD = 1_700_000_000.0


class Clocks:
    """Both clocks, set by the test."""

    now = 0.0

    def steady(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + WALL_AHEAD


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@asynccontextmanager
async def served(history: History, clocks: Clocks) -> AsyncIterator[aiohttp.ClientSession]:
    """An API for a history, with the clocks of a test."""
    api = SignalsApi(history, clock=clocks.steady, wall=clocks.wall)
    routes = [replace(ROUTE, handler=lambda api: api.course)]
    table = Table(routes, api)
    runner = web.ServerRunner(Server("http", table, Admission(RequestStats())))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
            yield session
    finally:
        await runner.cleanup()


async def asked(session: aiohttp.ClientSession, **query: str | int) -> Any:
    async with session.get("/v1/signals", params=query) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_steps_add_up_to_what_happened(clocks: Clocks) -> None:
    """Ten hits in each of the first 20 seconds, and thirty in each later one: every step has its
    own value and ends at a multiple of its length. Incomplete steps are left out.
    """
    history, hits = History(CATALOGUE.signals), 0
    for second in range(48):
        clocks.now = float(second)
        history.push(clocks.now, {"cache.l1.hits": hits, "memory.resident_bytes": second})
        hits += 10 if second < 20 else 30
    async with served(history, clocks) as session:
        names = "cache.l1.hits_per_second,memory.resident_bytes,memory.limit_bytes"
        course = await asked(session, names=names, step=10)
        later = await asked(session, names=names, step=10, since=course["ends"][1])
    assert course["step_seconds"] == 10
    assert course["ends"] == [WALL_AHEAD + end for end in (10, 20, 30, 40)]
    values = course["values"]
    assert values["cache.l1.hits_per_second"] == pytest.approx([10, 10, 28.2, 30], abs=0.1)
    assert values["memory.resident_bytes"] == pytest.approx([5, 14.5, 24.5, 34.5])
    assert values["memory.limit_bytes"] == [None] * 4
    assert later["ends"] == course["ends"][2:]
    assert later["values"]["memory.resident_bytes"] == values["memory.resident_bytes"][2:]


async def test_there_is_nothing_before_the_first_reading(clocks: Clocks) -> None:
    async with served(History(CATALOGUE.signals), clocks) as session:
        course = await asked(session, names="cache.hit_ratio")
    assert (course["ends"], course["values"]) == ([], {"cache.hit_ratio": []})


async def test_the_newest_are_given_where_there_are_too_many(clocks: Clocks) -> None:
    """No step is older than the history."""
    history = History(CATALOGUE.signals)
    for second in range(3700):
        clocks.now = float(second)
        history.push(clocks.now, {"memory.resident_bytes": second})
    async with served(history, clocks) as session:
        short = await asked(session, names="memory.resident_bytes", step=5)
        long = await asked(session, names="memory.resident_bytes", step=60)
    assert len(short["ends"]) == MOST_POINTS
    assert short["ends"][-1] == WALL_AHEAD + 3695
    assert len(long["ends"]) == 59


@pytest.mark.parametrize(
    "query",
    [
        "",
        "names=",
        "names=cache.hit_ratio,nothing",
        "names=cache.hit_ratio&step=4",
        "names=cache.hit_ratio&step=61",
        "names=cache.hit_ratio&step=5.5",
        "names=cache.hit_ratio&since=-1",
        "names=cache.hit_ratio&since=" + "9" * 400,
        "names=cache.hit_ratio&color=red",
        "names=cache.hit_ratio&names=cache.hit_ratio",
    ],
)
async def test_what_is_wrong_is_said(live: Sidecar, query: str) -> None:
    url = f"http://127.0.0.1:{live.ports['http']}/v1/signals?{query}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        await problem(answer, 400)
