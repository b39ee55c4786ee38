"""Requests that take long: a turn of the event loop has a slice of one of them, however many are at
work, so that probes and hits are answered between two.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.http import openapi, optimizer
from sidecar.http.batch import AT_ONCE
from sidecar.store.listing import SLICE_KEYS
from tests.http.asking import CLOSE, allow_l3_time, ask, connected
from tests.http.serving import request

KEYS = [f"key{number:04}" for number in range(1000)]
REQUESTS_AT_ONCE = 20
LOOKUPS = ("look", "locate", "begin_put", "begin_delete")


def post(target: str, **body: object) -> bytes:
    data = json.dumps({"namespace": "test", **body}).encode()
    return request("POST", target, f"Content-Length: {len(data)}", CLOSE, body=data)


ENTRIES = post("/v1/mset", entries=[{"key": key, "value": "x"} for key in KEYS])
REQUESTS = {
    "mget": (post("/v1/mget", keys=KEYS), AT_ONCE),
    "mset": (ENTRIES, AT_ONCE),
    "mdelete": (post("/v1/mdelete", keys=KEYS), AT_ONCE),
    "keys": (request("GET", "/v1/keys?namespace=test&limit=1000", CLOSE), SLICE_KEYS),
}


async def at_once(live: Sidecar, asked: bytes) -> list[bytes]:
    """The answers to many such requests that come in one turn of the loop."""
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(connected(live)) for _ in range(REQUESTS_AT_ONCE)
        ]
        for _, writer in connections:
            writer.write(asked)
        return await asyncio.gather(*(reader.read() for reader, _ in connections))


class Calls:
    """How often methods of an object were called, at most, in a turn of the loop."""

    def __init__(self, called: Any, patch: pytest.MonkeyPatch, methods: Iterable[str]) -> None:
        self.most = 0
        self._in_turn: Counter[str] = Counter()
        for name in methods:
            patch.setattr(called, name, self._counted(name, getattr(called, name)))

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self._in_turn[name] += 1
            return function(*arguments, **options)

        return counted

    async def count(self) -> None:
        while True:
            self.most = max(self.most, *self._in_turn.values(), 0)
            self._in_turn.clear()
            await asyncio.sleep(0)


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_turn_has_a_slice_of_one(
    live: Sidecar, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each may need its slice looked up a few times."""
    allow_l3_time(live)
    [stored] = await ask(live, ENTRIES)
    assert stored.count(b'"status":201') == len(KEYS)
    asked, slice_keys = REQUESTS[name]
    lookups = Calls(live.store, monkeypatch, LOOKUPS)
    counting = asyncio.create_task(lookups.count())
    answers = await at_once(live, asked)
    counting.cancel()
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}
    assert 0 < lookups.most <= 4 * slice_keys


@pytest.mark.parametrize("target", ["", "/rules", "/outcomes", "/run?dry_run=true"])
async def test_a_turn_has_one_look_at_the_optimizer(
    live: Sidecar, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """With a hundred rules it takes milliseconds."""
    method = "POST" if "run" in target else "GET"
    encodings = Calls(optimizer, monkeypatch, ["_json"])
    counting = asyncio.create_task(encodings.count())
    answers = await at_once(live, request(method, "/v1/optimizer" + target, CLOSE))
    counting.cancel()
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}
    assert encodings.most == 1


async def test_the_description_is_made_once(live: Sidecar, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all who ask for it at the same time."""
    made: list[object] = []
    document = openapi.document

    def counted(routes: Any) -> Any:
        made.append(routes)
        return document(routes)

    monkeypatch.setattr(openapi, "document", counted)
    answers = await at_once(live, request("GET", "/openapi.json", CLOSE))
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 200"}
    assert len(made) == 1
