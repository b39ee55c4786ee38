"""One-shot changes of L3, in its child process."""

from __future__ import annotations

import asyncio
import random

import pytest

from sidecar.app.actuators import OneShotFailedError
from sidecar.app.sidecar import Sidecar
from sidecar.model.answers import Page
from sidecar.model.change import OneShot
from sidecar.model.entry import L2
from sidecar.store.store import Store
from sidecar.tiers.disk import State
from tests.app.turning import Panel, number, shows, small
from tests.http.serving import eventually

MIB = 1 << 20


@shows("compact_l3")
async def test_rewriting_gives_the_space_of_the_dead_back(live: Sidecar) -> None:
    """Fewer entries than would start a compaction are dead. Live entries remain."""
    store = live.store
    panel = Panel(live)
    rng = random.Random(20240701)
    for n in range(7):
        await store.put(b"test/%d" % n, rng.randbytes(MIB), "text/plain", 600.0)
    await store.put(b"test/kept", b"value", "text/plain", 600.0)
    await eventually(
        lambda: store.disk.status and store.disk.status.entries == 8, "the news of them has come"
    )
    for n in range(7):
        await store.delete(b"test/%d" % n)
    await eventually(
        lambda: store.disk.status and store.disk.status.entries == 1, "the last news has come"
    )
    figures = await live.actuators.perform(OneShot("compact_l3"))
    before = number(figures, "folder_bytes")
    assert before > 6 * MIB
    assert figures["rewrite"] == "begun"
    await eventually(
        lambda: store.disk.status and store.disk.status.folder_bytes < before / 3,
        "the folder has shrunk",
    )
    panel.set(tiers=small(l1={"enabled": False}, l2={"enabled": False}).tiers)
    await eventually(lambda: not len(store.l1), "memory is empty")
    hit = await store.get(b"test/kept")
    assert hit is not None
    assert (hit.tier, hit.value) == ("l3", b"value")


async def used(store: Store, times: int) -> list[bytes]:
    """The keys with more than this number of uses since their put, as reported to L3."""
    found: list[bytes] = []
    cursor: bytes | None = b""
    while cursor is not None:
        answer: asyncio.Future[Page | None] = asyncio.get_running_loop().create_future()
        store.disk.list_keys(b"", cursor, 256, answer.set_result)
        page = await answer
        assert page is not None
        found += [row.key for row in page.keys if row.hits > times]
        cursor = page.cursor
    return found


@shows("warm")
async def test_warming_brings_what_is_used_most(live: Sidecar) -> None:
    """Warming reads from L3 into the free room in memory, and evicts nothing."""
    store = live.store
    off = {"enabled": False}
    panel = Panel(live, small(l1=off, l2=off))
    for n in range(600):
        await store.put(b"test/%d" % n, b"value", "text/plain", 600.0)
    for _ in range(5):
        for n in range(100, 120):
            assert await store.get(b"test/%d" % n) is not None
    while len(await used(store, 5)) < 20:
        pass  # L3 notes uses in the background
    panel.set(tiers=small(l1=off, l2={"max_entries": 25}).tiers)
    for n in range(5):
        await store.get(b"test/%d" % n)
    assert await live.actuators.perform(OneShot("warm")) == {"warmed_entries": 20}
    hot = {b"test/%d" % n for n in (*range(5), *range(100, 120))}
    assert set(store.memory.held.entries(L2)) == hot
    assert await live.actuators.perform(OneShot("warm")) == {"warmed_entries": 0}


async def test_without_l3_it_fails(live: Sidecar) -> None:
    """The failure has a reason."""
    panel = Panel(live)
    panel.set(tiers=small(l3={"enabled": False}).tiers)
    await eventually(lambda: live.store.disk.state is State.DOWN, "L3 is off")
    for name in ("compact_l3", "warm"):
        with pytest.raises(OneShotFailedError, match="not up"):
            await live.actuators.perform(OneShot(name))
