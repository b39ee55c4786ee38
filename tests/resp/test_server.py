"""INFO, CONFIG, COMMAND, SAVE and the others that ask what the server is."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import hiredis
import pytest

from sidecar.model.entry import L1
from sidecar.resp.commands import ALL, cache
from sidecar.resp.versioned import REDIS_VERSION
from tests.resp.serving import Dialog, Served


async def info(wire: Dialog, *sections: str) -> dict[str, str]:
    text = (await wire("info", *sections)).decode()
    lines = [line for line in text.split("\r\n") if line and not line.startswith("#")]
    return dict(line.split(":", 1) for line in lines)


EXPORTED = (
    *("redis_version", "redis_mode", "os", "process_id", "uptime_in_seconds"),
    *("connected_clients", "maxclients", "blocked_clients", "used_memory", "used_memory_rss"),
    *("used_memory_human", "used_memory_peak", "maxmemory", "maxmemory_policy"),
    *("mem_fragmentation_ratio", "loading", "rdb_bgsave_in_progress", "rdb_last_save_time"),
    *("rdb_changes_since_last_save", "aof_enabled", "total_connections_received"),
    *("total_commands_processed", "instantaneous_ops_per_sec", "rejected_connections"),
    *("expired_keys", "evicted_keys", "keyspace_hits", "keyspace_misses", "pubsub_channels"),
    *("pubsub_patterns", "role", "connected_slaves", "master_repl_offset", "used_cpu_sys"),
    *("used_cpu_user", "cluster_enabled"),
)


# ---- INFO


async def test_info_has_what_exporters_read(here: Dialog, there: Dialog) -> None:
    """Every field is one of Redis's, with a value of the same kind."""
    found, real = await info(here), await info(there)
    assert not [name for name in EXPORTED if name not in found]
    number = re.compile(r"-?\d+(\.\d+)?")
    for name, value in found.items():
        if name in real and name != "maxmemory_policy":
            assert bool(number.fullmatch(value)) is bool(number.fullmatch(real[name])), name


async def test_info_counts(here: Dialog) -> None:
    """Hits, misses and keys; from zero after CONFIG RESETSTAT."""
    await here("set", "a", 1)
    await here("set", "b", 1, "ex", 100)
    await here("get", "a")
    await here("get", "none")
    await here("set", "a", 1, "bad")
    found = await info(here, "everything")
    assert (found["keyspace_hits"], found["keyspace_misses"]) == ("1", "1")
    assert found["cmdstat_set"].startswith("calls=3,")
    assert found["cmdstat_set"].endswith("failed_calls=1")
    assert found["errorstat_ERR"] == "count=1"
    keys, expires, ttl = re.findall(r"=(\d+)", found["db0"])
    assert (keys, expires) == ("2", "1")
    assert 99_000 < int(ttl) <= 100_000
    assert await here("config", "resetstat") == b"OK"
    found = await info(here, "stats", "commandstats")
    assert (found["keyspace_hits"], found["keyspace_misses"]) == ("0", "0")
    assert "cmdstat_set" not in found


async def test_what_the_next_tier_has_is_not_evicted(here: Dialog, served: Served) -> None:
    for number in range(300):
        await here("set", f"key{number}", "v")
    assert served.store.stats.tiers[L1].evictions
    assert (await info(here))["evicted_keys"] == "0"


async def test_sections_of_info(here: Dialog, there: Dialog) -> None:
    """Those that are asked for, in the same form; nothing for one that there is not."""
    for sections in (["replication"], ["CPU", "cluster"], ["nothing"], ["default"], []):
        headers = [re.findall(rb"# (\w+)", await wire("info", *sections)) for wire in (here, there)]
        assert set(headers[0]) <= set(headers[1])
        assert headers[0] or not headers[1]
    assert (await here("info", "cluster")) == b"# Cluster\r\ncluster_enabled:0\r\n"


async def test_info_in_a_transaction(here: Dialog) -> None:
    """It is answered, without the databases."""
    await here("multi")
    await here("info", "keyspace")
    assert await here("exec") == [b"# Keyspace\r\n"]


async def test_redis_py_reads_it(served: Served) -> None:
    """As its users do."""
    redis = pytest.importorskip("redis.asyncio")
    async with redis.Redis(port=served.port, protocol=3) as client:
        await client.set("a", 1)
        found = await client.info()
        assert found["db0"]["keys"] == 1
        assert found["redis_version"].encode() == REDIS_VERSION
        assert (await client.config_get("max*"))["maxmemory-policy"] == "allkeys-lru"
        assert (await client.command())["get"]["arity"] == 2
        assert await client.dbsize() == 1
        assert [key async for key in client.scan_iter("a*", count=5)] == [b"a"]
        assert await client.save()
        assert isinstance(await client.time(), tuple)
        assert await client.wait(0, 0) == 0


# ---- CONFIG


async def test_config(here: Dialog) -> None:
    """It shows what there is, by patterns, and changes nothing."""
    found = await here("config", "get", "DATABASES", "s?ve")
    assert found == [b"databases", b"16", b"save", b""]
    assert await here("config", "get", "nothing") == []
    assert "configuration document" in str(await here("config", "set", "maxmemory", "1gb"))
    assert "Unknown option" in str(await here("config", "set", "nothing", "1"))
    assert "config file" in str(await here("config", "rewrite"))


@pytest.mark.parametrize(
    "command",
    [
        "config",
        "config get",
        "config nothing",
        "config resetstat",
        "config resetstat 1",
        "config set a",
        "config get nothing",
        "config get databases",
        "save 1",
        "save",
        "bgsave x",
        "bgsave schedule now",
        "bgsave",
        "lastsave 1",
        "time 1",
        "role",
        "role 1",
        "wait 0 0",
        "wait",
        "wait x 0",
        "wait 0 x",
        "wait 0 -1",
        "command count 1",
        "command getkeys",
        "command getkeys get",
        "command getkeys get a b",
        "command getkeys nothing a",
        "command getkeys get a",
        "command getkeys echo a",
        "command getkeys mset a 1 b 2",
        "command getkeys eval x 2 a b c",
        "command getkeys object encoding a",
        "command info nothing",
        "command list filterby",
        "command list filterby module x",
        "command list filterby pattern ge?",
        "command docs nothing",
        "client help x",
        "object nothing",
    ],
)
async def test_replies_are_those_of_redis(here: Dialog, there: Dialog, command: str) -> None:
    """Byte by byte, in both versions of the protocol."""
    for protocol in (2, 3):
        for wire in (here, there):
            await wire("hello", protocol)
        if command == "bgsave":
            for wire in (here, there):
                await idle(wire)
        assert await here.raw(*command.split()) == await there.raw(*command.split())


async def idle(wire: Dialog) -> None:
    while (await info(wire, "persistence"))["rdb_bgsave_in_progress"] == "1":
        await asyncio.sleep(0.01)


# ---- COMMAND


async def test_every_command_is_as_redis_describes_it(here: Dialog, there: Dialog) -> None:
    """Name, arity, positions of keys; parts as far as they are there. Redis has none of our own."""
    real = {each[0]: each for each in await there("command")}
    described = await here("command")
    assert {each[0].decode() for each in described} == set(ALL)
    assert await here("command", "count") == len(ALL)
    own = {each.name.encode() for each in cache.COMMANDS}
    assert not own & real.keys()
    for each in described:
        if each[0] in own:
            continue
        assert each[:2] + each[3:6] == real[each[0]][:2] + real[each[0]][3:6]
        if len(real[each[0]]) > 9:
            parts = {part[0]: part for part in real[each[0]][9]}
            for part in each[9]:
                if part[0] in parts:  # 7.2 has more
                    assert part[:2] + part[3:6] == parts[part[0]][:2] + parts[part[0]][3:6]


async def test_flags_of_commands(here: Dialog, there: Dialog) -> None:
    """Whether they read or write is as in Redis."""
    real = {each[0]: set(map(str, each[2])) for each in await there("command")}
    telling = {"readonly", "write", "fast", "movablekeys"}
    own = {each.name.encode() for each in cache.COMMANDS}
    for each in await here("command"):
        if each[0] in own:
            continue
        assert set(map(str, each[2])) & telling == real[each[0]] & telling, each[0]


async def test_command_docs_and_list(here: Dialog) -> None:
    """Of all commands, and of some."""
    docs = await here("command", "docs", "get", "client|id", "nothing")
    assert docs[::2] == [b"get", b"client|id"]
    assert b"/commands/client-id" in docs[3][1]
    names = await here("command", "list")
    assert {b"get", b"client|id", b"script|load"} <= set(names)
    assert b"get" in await here("command", "list", "filterby", "aclcat", "read")


@pytest.mark.parametrize("name", [name for name, it in ALL.items() if it.parts])
async def test_help(here: Dialog, there: Dialog, name: str) -> None:
    """Lines, the first of which is that of Redis; all parts are named."""
    lines, real = await here(name, "help"), await there(name, "help")
    assert lines[0] == real[0]
    assert {part.upper().encode() for part in ALL[name].parts} <= set(lines)


async def test_redis_cli_starts(served: Served) -> None:
    """Debian's client reads COMMAND DOCS for its hints."""
    command = ("redis-cli", "-p", str(served.port), "ping")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out == b"PONG\n"


# ---- SAVE, TIME


async def test_save_waits_for_l3(here: Dialog, served: Served) -> None:
    """What was written is acknowledged then; LASTSAVE and INFO tell."""
    for number in range(100):
        await here("set", number, "value")
    before = int(time.time())
    assert await here("save") == b"OK"
    assert served.service.saves.last_at >= before
    assert await here("lastsave") >= before
    assert await here("bgsave") == b"Background saving started"
    await idle(here)
    assert (await info(here, "persistence"))["rdb_last_bgsave_status"] == "ok"


async def test_save_without_l3_is_an_error(here: Dialog, served: Served) -> None:
    """Nothing is saved then, and the client is told."""
    served.store.disk.give_up()
    reply: Any = await here("save")
    assert isinstance(reply, hiredis.ReplyError)
    assert "L3 is not up" in str(reply)
    assert await here("bgsave") == b"Background saving started"
    await idle(here)
    assert (await info(here, "persistence"))["rdb_last_bgsave_status"] == "err"


async def test_time(here: Dialog) -> None:
    """Seconds and microseconds."""
    seconds, microseconds = await here("time")
    assert abs(int(seconds) - time.time()) < 5
    assert 0 <= int(microseconds) < 1_000_000
