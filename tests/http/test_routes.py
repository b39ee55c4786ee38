"""Adding a route needs only an entry in the table and a handler."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, cast

import aiohttp
import msgspec
import pytest
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from sidecar.app.sidecar import Sidecar
from sidecar.http.browsers import refuse_cross_site
from sidecar.http.messages import JSON_HEADER, Reply, Request
from sidecar.http.openapi import Description
from sidecar.http.parameters import Parameters
from sidecar.http.routes import DATA, OPS, DataApi, operation_names
from sidecar.http.routing import Answer, Route, Table
from sidecar.serving.limits import Limits
from tests.http.serving import Served, problem


class EchoQuery(Struct):
    word: str
    from_: str = field(default="", name="from")
    times: Annotated[int, Meta(ge=1, le=3, description="How often.")] = 1
    loud: bool = False


class Echoed(Struct):
    """Words."""

    words: list[str]


async def echo(_request: Request, query: EchoQuery) -> Reply:
    word = query.word.upper() if query.loud else query.word
    body = Echoed([query.from_ + word] * query.times)
    return Reply(200, JSON_HEADER, msgspec.json.encode(body))


ECHO = Route[DataApi](
    "GET",
    "/v1/echo",
    operation="echo",
    id="echo",
    summary="Repeat a word",
    handler=lambda _api: echo,
    query=EchoQuery,
    answers=(Answer(200, "The word, as often as asked for.", Echoed),),
    waits=True,
)
ROUTES = (*DATA, ECHO)


@pytest.fixture
async def extended(live: Sidecar) -> AsyncIterator[Served]:
    """The data API with one more route."""
    api = replace(live.data_api(), description=Description(ROUTES))
    served = Served(live, Limits(), router=Table(ROUTES, api, refuse_cross_site))
    yield await served.start()
    await served.stop()


@pytest.fixture
async def caller(extended: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{extended.port}") as session:
        yield session


async def test_it_is_found_and_gets_typed_parameters(
    caller: aiohttp.ClientSession, extended: Served
) -> None:
    """Defaults apply; GET implies HEAD, and requests are counted by the operation."""
    async with caller.get("/v1/echo?word=h%C3%A9&times=2&loud=true&from=x") as answer:
        assert await answer.json() == {"words": ["xHÉ", "xHÉ"]}
    async with caller.get("/v1/echo?word=a") as answer:
        assert await answer.json() == {"words": ["a"]}
    async with caller.head("/v1/echo?word=a") as answer:
        assert answer.status == 200
    assert extended.admission.stats.outcomes() == {("echo", 200): 3}
    assert "echo" in operation_names(ROUTES)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("word=a&colour=red", "'colour'"),
        ("word=a&word=b", "word is sent twice"),
        ("times=2", "word is missing"),
        ("", "word is missing"),
        ("word=a&times=4", "times takes a whole number from 1 to 3"),
        ("word=a&times=", "times takes a whole number"),
        (f"word=a&times={'0' * 20}2", "times takes a whole number"),
        (f"word=a&times=1{'0' * 5000}", "times takes a whole number"),
        ("word=a&times=+2", "times takes a whole number"),
        ("word=a&loud=yes", "loud takes true or false"),
    ],
)
async def test_wrong_parameters_are_refused(
    caller: aiohttp.ClientSession, query: str, said: str
) -> None:
    async with caller.get(f"/v1/echo?{query}") as answer:
        assert said in await problem(answer, 400)


async def test_it_is_described(caller: aiohttp.ClientSession) -> None:
    """It has its parameters, its answers, and the errors common to all such routes."""
    async with caller.get("/openapi.json") as answer:
        document = await answer.json()
    described = document["paths"]["/v1/echo"]["get"]
    assert described["parameters"] == [
        {"name": "word", "in": "query", "required": True, "schema": {"type": "string"}},
        {"name": "from", "in": "query", "schema": {"type": "string", "default": ""}},
        {
            "name": "times",
            "in": "query",
            "description": "How often.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 3, "default": 1},
        },
        {"name": "loud", "in": "query", "schema": {"type": "boolean", "default": False}},
    ]
    assert set(described["responses"]) == {"200", "400", "401", "431", "503"}
    assert document["components"]["schemas"]["Echoed"] == {
        "title": "Echoed",
        "description": "Words.",
        "type": "object",
        "properties": {"words": {"type": "array", "items": {"type": "string"}}},
        "required": ["words"],
        "additionalProperties": False,
    }


async def test_another_method_is_refused(caller: aiohttp.ClientSession) -> None:
    """Allow lists the methods of the path; an unknown path is answered with a list of all paths."""
    async with caller.post("/v1/echo") as answer:
        await problem(answer, 405)
        assert answer.headers["Allow"] == "GET, HEAD"
    async with caller.get("/v1/ech") as answer:
        assert "/v1/echo" in await problem(answer, 404)


async def test_it_is_shed_and_what_does_not_wait_is_not(
    caller: aiohttp.ClientSession, extended: Served
) -> None:
    extended.admission.tune(in_flight="adaptive", keepalive_seconds=75.0)
    extended.admission.stats.in_flight += 10_000
    async with caller.get("/v1/echo?word=a") as answer:
        assert "in progress" in await problem(answer, 503)
    async with caller.get("/v1/stats") as answer:
        assert answer.status == 200
    assert extended.admission.stats.shed["in_flight"] == 1


def test_no_two_routes_are_the_same() -> None:
    routes = [(route.method, route.path) for route in (*DATA, *OPS)]
    assert len(set(routes)) == len(routes)
    ids = [route.id for route in DATA]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("path", ["/v1/echo", "/v1/cache/echo", "/v1/cache/{name}/echo"])
def test_a_route_that_would_be_hidden_is_refused(path: str) -> None:
    """The table is rejected: a duplicate path, or one below a path with parameters."""
    twice = replace(ECHO, path=path)
    with pytest.raises(ValueError, match=r"two routes|not told apart"):
        Table((*ROUTES, twice), cast(Any, None))


def test_a_parameter_that_no_query_can_have_is_refused_at_once() -> None:
    """An integer needs bounds, and other types need a parser."""

    class Unbounded(Struct):
        number: int = 0

    class Unreadable(Struct):
        numbers: list[int] = []

    shapes: list[Any] = [Unbounded, Unreadable]
    for shape in shapes:
        with pytest.raises(TypeError, match=r"the parameter numbers? needs"):
            Parameters(shape)
