"""The knobs of the tiers, on a store with RocksDB in its child process."""

from __future__ import annotations

import math
import os
import signal

import aiohttp
import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.model.change import Size
from sidecar.model.entry import L2, Packed, Tier
from sidecar.model.errors import NotReadyError, OutcomeUnknownError
from sidecar.store.store import Store
from sidecar.tiers.disk import State
from tests.app.turning import Panel, shows, small
from tests.http.serving import eventually
from tests.running import life_left

MIB = 1 << 20
LARGE = 10 * MIB


async def put(store: Store, *names: str, value: bytes = b"value", ttl: float = 600.0) -> None:
    for name in names:
        await store.put(b"test/" + name.encode(), value, "text/plain", ttl)


async def tier_of(store: Store, name: str) -> str | None:
    """The tier in which a read finds a key; the read counts as a use."""
    hit = await store.get(b"test/" + name.encode())
    return None if hit is None else str(hit.tier)


def held(store: Store, tier: str) -> set[str]:
    entries = store.memory.held.entries(Tier(tier))
    return {key.decode().removeprefix("test/") for key in entries}


async def forget(panel: Panel, store: Store) -> None:
    """Empty the tiers in memory, as if they had evicted everything."""
    for tier in ("l1", "l2"):
        panel.turn(f"tiers.{tier}.size", Size(0, 0))
    await eventually(lambda: not (len(store.l1) or len(store.l2)), "memory is empty")
    for tier in ("l1", "l2"):
        panel.turn(f"tiers.{tier}.size", Size(100, LARGE))


@shows("tiers.l1.size", "tiers.l2.size", "tiers.l3.size")
async def test_a_tier_shrinks_and_grows(live: Sidecar) -> None:
    """The tier shrinks to its limit without requests, and grows when the limit is raised."""
    store = live.store
    panel = Panel(live, small(l1={"max_entries": 200}))
    names = [f"{n}" for n in range(200)]
    await put(store, *names)
    panel.turn("tiers.l1.size", Size(10, LARGE))
    await eventually(lambda: (len(store.l1), len(store.l2)) == (10, 190), "L1 is drained into L2")
    panel.turn("tiers.l2.size", Size(20, LARGE))
    await eventually(lambda: len(store.l2) == 20, "L2 is drained")
    panel.turn("tiers.l3.size", Size(30, LARGE))
    await eventually(lambda: store.disk.status and store.disk.status.entries <= 30, "L3 is drained")
    panel.turn("tiers.l3.size", Size(1000, LARGE))
    panel.turn("tiers.l1.size", Size(200, LARGE))
    await put(store, *names)
    assert len(store.l1) == 200
    await eventually(
        lambda: store.disk.status and store.disk.status.entries == 200, "L3 holds all again"
    )


@shows("tiers.l1.policy", "tiers.l2.policy")
@pytest.mark.parametrize("tier", ["l1", "l2"])
async def test_another_policy_takes_over(live: Sidecar, tier: str) -> None:
    """LRU evicts the entry with the oldest use, FIFO the oldest entry, even if it is used."""
    store = live.store
    off = {"l2" if tier == "l1" else "l1": {"enabled": False}}
    panel = Panel(live, small(**off, **{tier: {"max_entries": 3}}))
    await put(store, "a", "b", "c")
    await tier_of(store, "a")
    await put(store, "d")
    assert held(store, tier) == {"a", "c", "d"}
    panel.turn(f"tiers.{tier}.policy", "fifo")
    memory = store.memory.held
    await eventually(
        lambda: (memory.ready if tier == "l1" else memory.order).name == "fifo",
        "the change is over",
    )
    for name in held(store, tier):
        await tier_of(store, name)
    await put(store, "e", "f", "g")
    await tier_of(store, "e")
    await put(store, "h")
    assert held(store, tier) == {"f", "g", "h"}


@shows("tiers.l3.policy")
async def test_l3_judges_by_another_policy(live: Sidecar) -> None:
    """Entries that expire soon leave first, although they were written last."""
    store = live.store
    off = {"enabled": False}
    panel = Panel(live, small(l1=off, l2=off))
    await put(store, *(f"long{n}" for n in range(40)), ttl=6000.0)
    await put(store, *(f"short{n}" for n in range(40)), ttl=600.0)
    panel.turn("tiers.l3.policy", "ttl")
    panel.turn("tiers.l3.size", Size(40, LARGE))
    await eventually(lambda: store.disk.status and store.disk.status.entries <= 40, "L3 is drained")
    left = [
        name for name in ("long", "short") for n in range(40) if await tier_of(store, f"{name}{n}")
    ]
    assert left.count("long") > 2 * left.count("short")


@shows("tiers.l2.compression")
async def test_compression_holds_for_what_comes_to_l2(live: Sidecar) -> None:
    """Existing entries stay as they are; all can be read, in memory and from L3."""
    store = live.store
    value = b"a long story " * 1000
    panel = Panel(live, small(l1={"max_entries": 1}))
    await put(store, "a", "b", value=value)
    panel.turn("tiers.l2.compression", "none")
    await put(store, "c", "d", value=value)
    panel.turn("tiers.l2.compression", "zstd")
    await put(store, "e", "f", value=value)
    packed = {
        key: isinstance(entry.value, Packed) for key, entry in store.memory.held.entries(L2).items()
    }
    assert packed == {
        b"test/a": True,
        b"test/b": False,
        b"test/c": False,
        b"test/d": True,
        b"test/e": True,
    }
    for name in "abcdef":
        hit = await store.get(b"test/" + name.encode())
        assert hit is not None
        assert hit.value == value


@shows("promote_after")
async def test_an_entry_is_promoted_after_so_many_hits(live: Sidecar) -> None:
    """After that number of hits in L2, the entry is promoted at the next one."""
    store = live.store
    panel = Panel(live, small(l1={"max_entries": 1}))
    await put(store, "a", "b")
    panel.turn("promote_after", 3)
    assert [await tier_of(store, "a") for _ in range(4)] == ["l2", "l2", "l2", "l1"]
    panel.turn("promote_after", 1)
    assert [await tier_of(store, "b") for _ in range(2)] == ["l2", "l1"]


@shows("default_ttl")
async def test_what_comes_without_a_life_lives_as_long_as_is_usual(live: Sidecar) -> None:
    """The value applies from the next put on."""
    Panel(live).turn("default_ttl", 1000.0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{live.ports['http']}") as client:
        await client.put("/v1/cache/test/key", data=b"value")
        async with client.get("/v1/cache/test/key") as answer:
            seconds = life_left(answer.headers)
    assert 900 < seconds <= 1000


# ---- what L3 takes


@shows("l3.admission")
async def test_l3_takes_a_key_when_it_comes_again(live: Sidecar) -> None:
    """The first put of a key goes only to memory, and the answer says so; the second goes to L3
    too.
    """
    store = live.store
    panel = Panel(live)
    panel.turn("l3.admission", "second")
    async with aiohttp.ClientSession(f"http://127.0.0.1:{live.ports['http']}") as client:
        for place, status in (("memory", 201), ("l3", 204)):
            async with client.put("/v1/cache/test/key", data=place) as answer:
                assert answer.headers["Cache-Status"].endswith(f"stored; detail={place}")
                assert answer.status == status
        await client.put("/v1/cache/test/once", data=b"value")
        async with client.delete("/v1/cache/test/once") as answer:
            assert answer.status == 204
    await put(store, "once more")
    await forget(panel, store)
    assert await tier_of(store, "key") == "l3"
    assert await tier_of(store, "once more") is None


async def test_what_was_used_is_worth_writing(live: Sidecar) -> None:
    """An entry that was not written to L3 is written when memory evicts it, if it was read."""
    store = live.store
    panel = Panel(live, small(l1={"max_entries": 2}))
    panel.turn("l3.admission", "second")
    await put(store, "used in l1")
    assert await tier_of(store, "used in l1") == "l1"
    await put(store, "used in l2", "unused", "another")
    assert await tier_of(store, "used in l2") == "l2"
    await forget(panel, store)
    assert await tier_of(store, "used in l1") == "l3"
    assert await tier_of(store, "used in l2") == "l3"
    assert await tier_of(store, "unused") is None


async def test_what_memory_has_no_room_for_is_l3s(live: Sidecar) -> None:
    """Otherwise the entry would be lost. It is written once, as a new entry."""
    panel = Panel(live, small(l1={"enabled": False}, l2={"enabled": False}))
    for admission in ("every", "second"):
        panel.turn("l3.admission", admission)
        written = await live.store.put(admission.encode(), b"value", "text/plain", 600.0)
        assert (written.durable, written.replaced) == (True, False)
    assert live.store.stats.tiers[Tier.L2].demotions == 0


async def test_a_version_that_l3_was_not_given_hides_the_one_before(live: Sidecar) -> None:
    """Neither an eviction from memory nor a kill -9 of L3 right after the answer restores it."""
    store = live.store
    panel = Panel(live)
    names = [f"{n}" for n in range(50)]
    await put(store, *names, value=b"old")
    await forget(panel, store)
    panel.turn("l3.admission", "second")
    await put(store, *names, value=b"new")
    child = live.l3.pid
    assert child is not None
    os.kill(child, signal.SIGKILL)
    await eventually(lambda: live.l3.restarts.total() == 1, "its end is seen")
    await eventually(lambda: store.disk.state is State.UP, "there is another child")
    await forget(panel, store)
    assert {await tier_of(store, name) for name in names} == {None}


async def test_whoever_asks_for_fsync_gets_every_put_written(live: Sidecar) -> None:
    """Durability `disk` takes precedence over tuning."""
    panel = Panel(live)
    panel.turn("l3.admission", "second")
    panel.set(durability="disk")
    written = await live.store.put(b"test/key", b"value", "text/plain", 600.0)
    assert written.durable


@shows("l3.write_bytes_per_second")
async def test_writes_to_l3_are_paced(live: Sidecar) -> None:
    """One write is in progress and the next one waits: its writer times out, and the one after it
    is refused. Reads from L3 continue, and all is written once the limit is removed.
    """
    store = live.store
    panel = Panel(live, small(l1={"max_entries": 1}, l2={"enabled": False}))
    await put(store, "before", "other")
    panel.turn("l3.write_bytes_per_second", 1.0)
    panel.set(tiers=small(l3={"timeout_seconds": 0.2}, l2={"enabled": False}).tiers)
    await put(store, "a", value=bytes(1000))
    with pytest.raises(OutcomeUnknownError):
        await put(store, "b")
    with pytest.raises(NotReadyError):
        await put(store, "c")
    assert await tier_of(store, "before") == "l3"
    panel.turn("l3.write_bytes_per_second", math.inf)
    await eventually(lambda: store.disk.idle, "all is written")
    await put(store, "c")


@shows("background.pace")
async def test_the_background_goes_at_its_pace(live: Sidecar) -> None:
    """This applies to the sidecar and to L3's process, which is told the pace; shrinking is not
    slowed.
    """
    store = live.store
    panel = Panel(live, small(l1={"max_entries": 5000}))
    await put(store, *(f"{n}" for n in range(1500)))
    panel.turn("background.pace", 0.25)
    assert store.pace == 0.25
    panel.turn("background.pace", 0.0)
    await store.invalidate(b"other/")
    panel.turn("tiers.l1.size", Size(10, LARGE))
    await eventually(lambda: len(store.l1) == 10, "L1 is drained")
    panel.turn("background.pace", 1.0)
    await eventually(lambda: not store.invalidations.any, "memory is swept")
    await eventually(
        lambda: store.disk.status and not store.disk.status.invalidations, "L3 is swept"
    )
