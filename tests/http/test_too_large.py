"""A value that no tier can hold is refused before anything changes."""

from __future__ import annotations

import json

import aiohttp
import pytest

from sidecar.app.sidecar import Sidecar
from tests.app.turning import Panel, small

PATH = "/v1/cache/test/key"
KIB = 1 << 10


@pytest.mark.parametrize("size", [40 * KIB, 400 * KIB])
async def test_the_old_value_stays(live: Sidecar, client: aiohttp.ClientSession, size: int) -> None:
    """Answered at once, by the task, or in a batch: 413, and a GET gives what was there before."""
    limit = {"max_bytes": 32 * KIB}
    Panel(live, small(l1=limit, l2=limit, l3=limit))
    assert (await client.put(PATH, data=b"old")).status == 201
    refused = await client.put(PATH, data=b"x" * size)
    assert refused.status == 413
    assert "larger than every tier" in (await refused.json())["detail"]
    conditional = {"If-Match": "*"}
    assert (await client.put(PATH, data=b"x" * size, headers=conditional)).status == 413
    entries = [{"key": "key", "value": "x" * size}, {"key": "other", "value": "fits"}]
    batch = json.dumps({"namespace": "test", "entries": entries})
    headers = {"Content-Type": "application/json"}
    written = await (await client.post("/v1/mset", data=batch, headers=headers)).json()
    assert [entry["status"] for entry in written["entries"]] == [413, 201]
    assert await (await client.get(PATH)).read() == b"old"


async def test_a_value_that_one_tier_can_hold_is_stored(
    live: Sidecar, client: aiohttp.ClientSession
) -> None:
    """It skips the tiers that are too small."""
    Panel(live, small(l1={"max_bytes": 32 * KIB}, l2={"max_bytes": 32 * KIB}))
    assert (await client.put(PATH, data=b"x" * 100 * KIB)).status == 201
    answer = await client.get(PATH)
    assert len(await answer.read()) == 100 * KIB
