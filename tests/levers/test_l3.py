"""What is done to L3, in its child process."""

from __future__ import annotations

import random

import pytest

from sidecar.app import Sidecar
from sidecar.levers import DeedFailedError
from sidecar.model.change import Deed
from sidecar.tiers.disk import State
from tests.http.serving import eventually
from tests.levers.pulling import Panel, number, shows, small

MIB = 1 << 20


@shows("compact_l3")
async def test_rewriting_gives_the_space_of_the_dead_back(live: Sidecar) -> None:
    """Less of it than would make L3 do so by itself. What lives is still there."""
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
    figures = await live.levers.perform(Deed("compact_l3"))
    before = number(figures, "folder_bytes")
    assert before > 6 * MIB
    assert figures["rewrite"] == "begun"
    await eventually(
        lambda: store.disk.status and store.disk.status.folder_bytes < before / 3,
        "the folder has shrunk",
    )
    panel.set(tiers=small(l1={"enabled": False}, l2={"enabled": False}).tiers)
    await eventually(lambda: not store.l1.entries, "memory is empty")
    hit = await store.get(b"test/kept")
    assert hit is not None
    assert (hit.tier, hit.value) == ("l3", b"value")


async def test_without_l3_it_fails(live: Sidecar) -> None:
    """And says so."""
    panel = Panel(live)
    panel.set(tiers=small(l3={"enabled": False}).tiers)
    await eventually(lambda: live.store.disk.state is State.DOWN, "L3 is off")
    with pytest.raises(DeedFailedError, match="not up"):
        await live.levers.perform(Deed("compact_l3"))
