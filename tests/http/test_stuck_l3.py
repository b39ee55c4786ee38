"""While L3 does not answer, no request waits for it more than once or twice."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.http.batch import AT_ONCE
from sidecar.model.entry import Entry
from tests.http.asking import CLOSE, ask, put, stopped
from tests.http.serving import request

KEYS = [f"key{number}" for number in range(1000)]


async def called(live: Sidecar, name: str, **body: object) -> Any:
    """The answer to a call for many keys."""
    data = json.dumps({"namespace": "test", **body}).encode()
    length = f"Content-Length: {len(data)}"
    [answer] = await ask(live, request("POST", f"/v1/{name}", length, CLOSE, body=data))
    assert answer.startswith(b"200")
    return json.loads(answer.partition(b"\r\n\r\n")[2])


async def test_mget_leaves_the_rest(live: Sidecar) -> None:
    """Keys that L3 was asked for are missing; those behind them are left, to be asked for again."""
    with stopped(live):
        found = await called(live, "mget", keys=KEYS)
    assert (found["missing"], found["left"]) == (KEYS[:AT_ONCE], KEYS[AT_ONCE:])
    assert live.store.stats.timeouts == AT_ONCE


@pytest.mark.parametrize("name", ["mset", "mdelete"])
async def test_the_rest_is_not_written(live: Sidecar, name: str) -> None:
    """Each key says what became of it: only of the first the outcome is not known."""
    entries = [{"key": key, "value": "x"} for key in KEYS]
    body: dict[str, object] = {"entries": entries} if name == "mset" else {"keys": KEYS}
    with stopped(live):
        written = (await called(live, name, **body))["entries"]
    assert [entry["key"] for entry in written] == KEYS
    assert {entry["status"] for entry in written} == {503}
    unknown = ["not known" in entry["detail"] for entry in written]
    assert unknown == [True] * AT_ONCE + [False] * (len(KEYS) - AT_ONCE)
    assert all("nothing was changed" in entry["detail"] for entry in written[AT_ONCE:])


async def test_conditional_writes_do_not_wait_for_all_before_them(
    live: Sidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To one key they run one after the other, each after L3's answer."""
    checked = 0
    current = live.store._current

    async def counted(key: bytes) -> Entry | None:
        nonlocal checked
        checked += 1
        return await current(key)

    monkeypatch.setattr(live.store, "_current", counted)
    with stopped(live):
        answers = await asyncio.gather(
            *(ask(live, put("same", b"value", "If-None-Match: *", CLOSE)) for _ in range(20))
        )
    assert {answer[:3] for [answer] in answers} == {b"503"}
    assert checked <= 3
