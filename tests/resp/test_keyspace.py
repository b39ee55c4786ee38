"""SCAN, KEYS, DBSIZE, RANDOMKEY, FLUSHDB, FLUSHALL: over memory and disk, as Redis answers them.

More than 300 lines, since all of it is of one listing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import hiredis
import pytest

from sidecar.config.values import CacheConfig
from sidecar.model.order import HASHES, hash_of
from sidecar.store import scanning
from sidecar.store.upkeep import sweep
from tests.resp.serving import Dialog, Served, serving

MANY = 3000  # more than memory has by default


@pytest.fixture
async def in_memory(tmp_path: Path) -> AsyncIterator[Dialog]:
    """A sidecar without L3, and memory for MANY."""
    config = CacheConfig()
    tiers = config.tiers
    l2, l3 = replace(tiers.l2, max_entries=MANY), replace(tiers.l3, enabled=False)
    async with serving(tmp_path, replace(config, tiers=replace(tiers, l2=l2, l3=l3))) as served:
        wire = await served.connect()
        yield wire
        await wire.close()


async def put(wire: Dialog, count: int, name: bytes = b"key:%d") -> set[bytes]:
    names = {name % number for number in range(count)}
    pairs = [part for each in sorted(names) for part in (each, b"value")]
    for start in range(0, len(pairs), 2000):
        assert await wire("mset", *pairs[start : start + 2000]) == b"OK"
    return names


async def scanned(wire: Dialog, *options: bytes | str | int) -> list[bytes]:
    """All keys that a whole SCAN returns, in order."""
    cursor, found = b"0", []
    while True:
        cursor, keys = await wire("scan", cursor, *options)
        assert 0 <= int(cursor) < HASHES
        found += keys
        if cursor == b"0":
            return found


# ---- SCAN


async def test_scan_returns_every_key_once(here: Dialog) -> None:
    """Keys of memory and of L3, in the order of their hashes; only those of the database."""
    names = await put(here, MANY)
    await here("select", 1)
    others = await put(here, 7, b"other:%d")
    assert sorted(await scanned(here)) == sorted(others)
    await here("select", 0)
    found = await scanned(here, "count", 100)
    assert len(found) == MANY
    assert set(found) == names
    assert found == sorted(found, key=lambda key: hash_of(b"db0/" + key))


async def test_scan_misses_none_that_stays(served: Served) -> None:
    """Others are written, deleted, promoted and evicted meanwhile."""
    wire, other = await served.connect(), await served.connect()
    names = await put(wire, MANY)
    ended = asyncio.Event()

    async def disturb() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            await other("set", b"new:%d" % number, b"x" * 100)
            await other("set", b"key:%d" % (number * 7 % MANY), b"again")
            await other("get", b"key:%d" % (number * 13 % MANY))
            await other("del", b"new:%d" % (number - 5))

    task = asyncio.create_task(disturb())
    for _ in range(5):
        assert names <= set(await scanned(wire))
    ended.set()
    await task
    await wire.close()
    await other.close()


async def test_scan_without_l3(in_memory: Dialog) -> None:
    """Keys that only memory has; about COUNT at once."""
    names = await put(in_memory, 2000)
    _, some = await in_memory("scan", 0, "count", 100)
    assert len(some) == 100
    assert sorted(await scanned(in_memory)) == sorted(names)
    assert await in_memory("dbsize") == 2000


async def test_scan_of_keys_with_one_hash_ends(
    in_memory: Dialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may choose them. They are returned together, and the scan goes on."""
    hashes = {b"al": b"\1" * 8, b"ot": b"\2" * 8, b"la": b"\xff" * 8}
    monkeypatch.setattr(scanning, "hash_of", lambda key: hashes[key[4:6]])
    names = set.union(*[await put(in_memory, 40, name + b"%d") for name in hashes])
    for count in (1, 10, 40, 50):
        assert set(await scanned(in_memory, "count", count)) == names
    monkeypatch.setattr(scanning, "MOST_ALIKE", 5)
    assert len(await scanned(in_memory, "count", 10)) < len(names)


async def test_scan_filters(here: Dialog) -> None:
    """By a pattern, of which the fixed begin is looked for in L3; by the type of values."""
    await put(here, 50)
    await put(here, 50, b"other:%d")
    assert len(await scanned(here, "match", "other:*")) == 50
    assert len(await scanned(here, "match", "*:1?", "count", 7)) == 20
    assert await scanned(here, "match", "key:7") == [b"key:7"]
    assert len(await scanned(here, "type", "string")) == 100
    assert await scanned(here, "type", "hash") == []


@pytest.mark.parametrize(
    "command",
    [
        "scan",
        "scan x",
        "scan 0",
        "scan -0",
        "scan 18446744073709551616",
        "scan 0 count",
        "scan 0 count 0",
        "scan 0 count x",
        "scan 0 match",
        "scan 0 match a count",
        "scan 0 bad 1",
        "scan 0 type foo",
        "scan 0 TYPE string MATCH [a COUNT 5",
        "keys",
        "keys *",
        "keys * *",
        "dbsize",
        "dbsize 1",
        "randomkey",
        "randomkey x",
        "flushdb x",
        "flushdb async async",
        "flushdb ASYNC",
        "flushall Sync",
        "flushall sync now",
    ],
)
async def test_of_an_empty_database(here: Dialog, there: Dialog, command: str) -> None:
    """Replies and errors are those of Redis, in both versions of the protocol."""
    for protocol in (2, 3):
        for wire in (here, there):
            await wire("hello", protocol)
        assert await here.raw(*command.split()) == await there.raw(*command.split())


# ---- KEYS, DBSIZE, RANDOMKEY


async def test_keys_and_dbsize_count_memory_and_disk(here: Dialog) -> None:
    """Each key once, wherever it is; expired ones are gone."""
    names = await put(here, MANY)
    assert await here("dbsize") == MANY
    assert sorted(await here("keys", "*")) == sorted(names)
    assert sorted(await here("keys", "key:2?")) == [b"key:%d" % number for number in range(20, 30)]
    await here("del", *(b"key:%d" % number for number in range(1000)))
    await here("pexpire", "key:1000", 1)
    await asyncio.sleep(0.01)
    assert await here("dbsize") == MANY - 1001
    assert len(await here("keys", "*")) == MANY - 1001


@pytest.mark.parametrize(
    "pattern", ["*", "h?llo", "h[ae]llo", "h[^e]llo", "h\\?llo", "[a", "", "h*o*"]
)
async def test_patterns(here: Dialog, there: Dialog, pattern: str) -> None:
    """KEYS matches as Redis does."""
    for wire in (here, there):
        for key in ("hello", "hallo", "hxllo", "h?llo", "a", "[a", "heo"):
            await wire("set", key, 1)
    assert sorted(await here("keys", pattern)) == sorted(await there("keys", pattern))


async def test_dbsize_of_many_is_an_estimate(here: Dialog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within some per cent."""
    monkeypatch.setattr("sidecar.resp.commands.keyspace.EXACT", 100)
    monkeypatch.setattr("sidecar.resp.commands.keyspace.SAMPLE", 1000)
    await put(here, MANY)
    assert await here("dbsize") == pytest.approx(MANY, rel=0.1)


async def test_randomkey_is_any_key(here: Dialog) -> None:
    """Of the database; each is returned at times."""
    await put(here, 2000, b"other:%d")
    await here("select", 5)
    names = await put(here, 4)
    assert {await here("randomkey") for _ in range(100)} == names
    await here("flushdb")
    assert await here("randomkey") is None


async def test_keys_of_a_transaction(here: Dialog) -> None:
    """What lists keys waits, so it is refused, which spoils the transaction."""
    await here("multi")
    reply = await here("scan", 0)
    assert str(reply).startswith("ERR Command not allowed inside a transaction: ")
    assert "EXECABORT" in str(await here("exec"))


async def test_keys_beyond_memory_are_refused(served: Served) -> None:
    """KEYS takes its memory from the budget, and gives it back."""
    wire = await served.connect()
    await put(wire, MANY)
    budget = served.service.admission.budget
    budget.resize(500_000, 500_000)
    reply = await wire("keys", "*")
    assert isinstance(reply, hiredis.ReplyError)
    assert str(reply).startswith("OOM")
    assert budget.used_bytes == 0
    budget.resize(1 << 28, 1 << 28)
    assert len(await wire("keys", "*")) == MANY
    await wire("ping")
    assert budget.used_bytes == 0
    await wire.close()


# ---- FLUSHDB, FLUSHALL


async def test_flushdb_removes_one_database(here: Dialog) -> None:
    """At once, from memory and disk; also that of a namespace that is selected by its name."""
    await put(here, MANY)
    await here("select", "sessions")
    await put(here, 10)
    await here("select", 0)
    assert await here("flushdb") == b"OK"
    assert await here("dbsize") == 0
    assert await here("get", "key:1") is None
    assert await here("keys", "*") == []
    await here("select", "sessions")
    assert await here("dbsize") == 10
    assert await here("flushdb", "async") == b"OK"
    assert await here("dbsize") == 0


async def test_flushall_spares_other_namespaces(here: Dialog) -> None:
    """All databases, and nothing else."""
    for name in (0, 3, 15, "sessions"):
        await here("select", name)
        await put(here, 10)
    assert await here("flushall") == b"OK"
    for name, left in ((0, 0), (3, 0), (15, 0), ("sessions", 10)):
        await here("select", name)
        assert await here("dbsize") == left


async def test_flush_in_a_transaction(here: Dialog, there: Dialog) -> None:
    """What was read before it is gone for the commands behind it, wherever it was."""
    await put(here, MANY)  # so that `a` may be anywhere
    for wire in (here, there):
        await wire("set", "a", 1)
        await wire("set", "b", 1)
    await put(here, MANY)
    commands = (
        *("get a", "flushdb", "get a", "exists a b", "set a 2", "incr a", "flushall", "get a"),
        *("incr b", "del a b"),
    )
    for wire in (here, there):
        await wire("multi")
        for command in commands:
            await wire(*command.split())
    assert await here.raw("exec") == await there.raw("exec")


async def test_a_flush_that_is_refused_changes_nothing(
    here: Dialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no room for sixteen scopes. Other commands of a transaction are run."""
    monkeypatch.setattr("sidecar.store.store.MAX_INVALIDATIONS", 10)
    await here("set", "a", 1)
    assert "invalidations" in str(await here("flushall"))
    await here("multi")
    await here("flushall")
    await here("incr", "a")
    refused, number = await here("exec")
    assert isinstance(refused, hiredis.ReplyError)
    assert number == 2
    assert await here("flushdb") == b"OK"
    assert await here("get", "a") is None


async def test_a_flush_spoils_a_watch(here: Dialog, served: Served) -> None:
    """As in Redis, where the key was there."""
    other = await served.connect()
    await here("set", "a", 1)
    await here("watch", "a")
    await other("flushall")
    await here("multi")
    await here("get", "a")
    assert await here("exec") is None
    await other.close()


async def test_keys_after_a_flush_that_nobody_waited_for(tmp_path: Path) -> None:
    """With durability `memory` L3 may not know it yet, and must not list what is gone."""
    async with serving(tmp_path, replace(CacheConfig(), durability="memory")) as served:
        wire = await served.connect()
        for _ in range(10):
            await put(wire, 500)
            await wire("flushall")
            assert await wire("keys", "*") == []
        await wire.close()


async def test_keys_that_the_sweep_frees_while_they_are_listed(served: Served) -> None:
    """They were flushed before, and are not taken for keys that went to L3."""
    wire, store = await served.connect(), served.store
    await put(wire, 600)
    assert await wire("flushdb") == b"OK"
    assert store.memory.held.order.keys()
    assert (await listed_while(served, lambda: sweep(store))).keys == []
    assert not store.invalidations.any
    await wire.close()


async def test_a_deletion_that_l3_acknowledges_while_keys_are_listed(served: Served) -> None:
    """It is pending when the keys are listed, and is not taken for one of them."""
    wire, store = await served.connect(), served.store
    await put(wire, 1)
    store.begin_delete(b"db0/key:0", lambda _: None)
    assert b"db0/key:0" in store.disk.pending
    assert (await listed_while(served, store.applied)).keys == []
    assert not store.disk.pending
    await wire.close()


async def listed_while(served: Served, happens: Callable[[], Awaitable[None]]) -> scanning.Part:
    """The keys of database 0; something happens after those in memory are listed."""
    pauses = 0

    async def pause() -> None:
        nonlocal pauses
        pauses += 1
        if pauses == 2:
            await happens()

    return await scanning.part(
        served.store, time.time, b"db0/", 0, limit=1000, most_pages=10, pause=pause
    )
