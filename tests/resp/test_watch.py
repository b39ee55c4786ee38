"""A watched key that expires aborts the transaction, as in Redis since 6.0.9."""

from __future__ import annotations

import asyncio

import pytest

from tests.resp.serving import Dialog, Served

LIFE_MS = 60


async def transaction(dialog: Dialog, *, wait_ms: int) -> bytes:
    await asyncio.sleep(wait_ms / 1000)
    await dialog("multi")
    await dialog("ping")
    return await dialog.raw("exec")


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(
    ("keys", "wait_ms"),
    [
        (["short"], 2 * LIFE_MS),
        (["short"], 0),
        (["long", "short", "absent"], 2 * LIFE_MS),
        (["long", "never", "absent"], 2 * LIFE_MS),
        (["gone"], 2 * LIFE_MS),
    ],
)
async def test_as_in_redis(
    here: Dialog, there: Dialog, served: Served, keys: list[str], wait_ms: int, *, in_memory: bool
) -> None:
    """Where the key is in L3 alone as well. One that had expired before is not watched."""
    replies = []
    for dialog in (here, there):
        await dialog("set", "gone", "v", "px", 1)
        await asyncio.sleep(0.01)
        await dialog("set", "never", "v")
        await dialog("set", "long", "v", "ex", 100)
        await dialog("set", "short", "v", "px", 40 * LIFE_MS if not wait_ms else LIFE_MS)
        if not in_memory:
            for key in ("gone", "never", "long", "short"):
                served.store.memory.pop(b"db0/" + key.encode())
        assert await dialog("watch", *keys) == b"OK"
        replies.append(await transaction(dialog, wait_ms=wait_ms))
    assert replies[0] == replies[1]


async def test_a_new_life_counts_as_a_change(here: Dialog, there: Dialog) -> None:
    """Also if the key is there all the time."""
    replies = []
    for dialog in (here, there):
        await dialog("set", "key", "v", "px", LIFE_MS)
        await dialog("watch", "key")
        await dialog("persist", "key")
        replies.append(await transaction(dialog, wait_ms=2 * LIFE_MS))
        await dialog("watch", "key")
        await dialog("unwatch")
        await dialog("pexpire", "key", 1)
        replies.append(await transaction(dialog, wait_ms=LIFE_MS))
    assert replies[:2] == replies[2:]


async def test_an_l3_that_does_not_answer_is_no_absence(here: Dialog, served: Served) -> None:
    """What is not known to be absent can't be watched."""
    await here("set", "key", "v")
    await served.store.applied()
    served.store.memory.pop(b"db0/key")
    served.store.disk.timeout_seconds = 0.0
    served.store.disk.lost()
    assert (await here.raw("watch", "key")).startswith(b"-TRYAGAIN")
