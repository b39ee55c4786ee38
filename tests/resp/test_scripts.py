"""EVAL, EVALSHA and SCRIPT: known scripts do what Redis does with their text.

The texts are those of the installed clients, or short ones of the same tokens as there.
"""

from __future__ import annotations

import asyncio
import hashlib

import hiredis
import pytest

from sidecar.resp.loaded import MOST_LOADED, Loaded
from sidecar.resp.scripts import BUILTINS, Builtin, builtin_of, digest_of_tokens
from tests.resp.serving import Dialog, Served

RELEASE = (
    'if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) '
    "else return 0 end"
)
EXTEND = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    -- its life
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
    return 0
end
"""
OWNER = "local identifier = redis.call('get', KEYS[1]) "
ERROR = "else return redis.error_reply('ERROR') end"
TEXTS = [
    RELEASE,
    EXTEND,
    # pottery
    """if redis.call('get', KEYS[1]) == ARGV[1] then local pttl = redis.call('pttl', KEYS[1])
    return (pttl > 0) and pttl or 0 else return 0 end""",
    """local curr = tonumber(redis.call('get', KEYS[1])) local next = tonumber(ARGV[1])
    if curr == nil or curr < next then redis.call('set', KEYS[1], next) return next
    else return nil end""",
    # aioredlock
    OWNER
    + "if not identifier or identifier == ARGV[1] then "
    + f'return redis.call("set", KEYS[1], ARGV[1], "PX", ARGV[2]) {ERROR}',
    OWNER
    + "if not identifier then return redis.status_reply('OK') "
    + f'elseif identifier == ARGV[1] then return redis.call("del", KEYS[1]) {ERROR}',
    OWNER
    + "if not identifier then return redis.error_reply('ERROR') "
    + f'elseif identifier == ARGV[1] then return redis.call("TTL", KEYS[1]) {ERROR}',
    # aiocache
    """if redis.call('get',KEYS[1]) == ARGV[2] then if #ARGV == 4 then
    return redis.call('set', KEYS[1], ARGV[1], ARGV[3], ARGV[4]) else
    return redis.call('set', KEYS[1], ARGV[1]) end else return 0 end""",
    # cashews
    """local current_count = redis.call("INCRBY", KEYS[1], ARGV[1]) if current_count == 1 then
    redis.call("PEXPIRE", KEYS[1], ARGV[2]) end return current_count""",
    # django-redis
    """local exists = redis.call('EXISTS', KEYS[1]) if (exists == 1) then
    return redis.call('INCRBY', KEYS[1], ARGV[1]) else return false end""",
    "return redis.call('INCRBY', KEYS[1], ARGV[1])",
    # redlock of Node.js
    """for i, key in ipairs(KEYS) do if redis.call("exists", key) == 1 then return 0 end end
    for i, key in ipairs(KEYS) do redis.call("set", key, ARGV[1], "PX", ARGV[2]) end
    return #KEYS""",
    """for i, key in ipairs(KEYS) do if redis.call("get", key) ~= ARGV[1] then return 0 end end
    for i, key in ipairs(KEYS) do redis.call("set", key, ARGV[1], "PX", ARGV[2]) end
    return #KEYS""",
    """local count = 0 for i, key in ipairs(KEYS) do if redis.call("get", key) == ARGV[1] then
    redis.pcall("del", key) count = count + 1 end end return count""",
]


def of_redis_py() -> list[str]:
    lock = pytest.importorskip("redis.lock").Lock
    return [lock.LUA_RELEASE_SCRIPT, lock.LUA_EXTEND_SCRIPT, lock.LUA_REACQUIRE_SCRIPT]


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


# ---- which are known


def test_every_known_script_is_tested() -> None:
    """The texts here have the tokens of all of them."""
    assert {digest_of_tokens(text.encode()) for text in TEXTS + of_redis_py()} == set(BUILTINS)


def test_layout_makes_no_difference() -> None:
    """Nor do quotes, comments, or the case of commands; anything else does."""
    digest = digest_of_tokens(RELEASE.encode())
    same = ("\n" + RELEASE.replace(" ", "\n\t") + "-- done", RELEASE.replace('"', "'"))
    others = (
        RELEASE.replace("0", "1"),
        RELEASE.replace("KEYS[1]", "KEYS[ 2 ]"),
        RELEASE + " --[[x",
    )
    assert all(digest_of_tokens(text.encode()) == digest for text in same)
    assert all(digest_of_tokens(text.encode()) != digest for text in others)
    assert digest_of_tokens(b"return '--' x") != digest_of_tokens(b"return '")
    assert digest_of_tokens(b"f('A')") != digest_of_tokens(b"f('a')")
    assert digest_of_tokens(b'f(\'"a" "b"\')') != digest_of_tokens(b'f(""a" "b"")')


def test_few_texts_are_remembered() -> None:
    """The oldest are forgotten: each layout of a known script has a SHA1 of its own."""
    scripts: Loaded[Builtin] = Loaded()
    first, _ = scripts.load(RELEASE.encode(), builtin_of)
    for number in range(MOST_LOADED):
        scripts.load(f"{RELEASE} -- {number}".encode(), builtin_of)
    assert len(scripts) == MOST_LOADED
    assert first not in scripts


# ---- what they do

OLD = (None, "token", "other", "1", "-5", "x")
VALUES = (
    ["token", "100000"],
    ["token", "100000", "0"],
    ["token", "100000", "1"],
    ["5", "100000"],
    ["1", "token"],
    ["1", "token", "EX", "50"],
)


def similar(one: object, other: object) -> bool:
    """The same, but for where in a script an error is, what Lua calls its own errors, and for
    milliseconds that have passed.
    """
    if isinstance(one, hiredis.ReplyError) and isinstance(other, hiredis.ReplyError):
        is_of_lua = str(other).startswith("ERR user_script:")
        return is_of_lua or str(other).startswith(str(one))
    if isinstance(one, int) and isinstance(other, int):
        return abs(one - other) < 5_000 if max(one, other) > 10_000 else one == other
    return one == other


@pytest.mark.parametrize("text", [*TEXTS, 0, 1, 2])
async def test_scripts_do_what_redis_does(here: Dialog, there: Dialog, text: str | int) -> None:
    """With all values and lives: the same replies, and the same is left."""
    script = of_redis_py()[text] if isinstance(text, int) else text
    takes_many = "ipairs" in script
    for protocol in (2, 3):
        for wire in (here, there):
            await wire("hello", protocol)
        for old in OLD:
            for life in (None, 50_000):
                for values in VALUES:
                    replies = []
                    for wire in (here, there):
                        await wire("del", "lock", "second")
                        for key in ("lock", "second") if takes_many else ("lock",):
                            if old is not None:
                                await wire("set", key, old, *(("px", life) if life else ()))
                        keys = (2, "lock", "second") if takes_many else (1, "lock")
                        got = [await wire("eval", script, *keys, *values)]
                        for key in ("lock", "second"):
                            got += [await wire("get", key), await wire("pttl", key)]
                        replies.append(got)
                    assert all(map(similar, *replies)), (old, life, values, replies)


@pytest.mark.parametrize(
    "arguments",
    [
        ("eval",),
        ("eval", RELEASE),
        ("eval", RELEASE, "x"),
        ("eval", RELEASE, "-1"),
        ("eval", RELEASE, "2", "a"),
        ("eval", RELEASE, "1", "a", "token"),
        ("eval", RELEASE, "1", "a"),
        ("evalsha", "0" * 40, "0"),
        ("evalsha", "short", "0"),
        ("evalsha", sha1(RELEASE), "1", "a", "b"),
        ("script",),
        ("script", "load"),
        ("script", "load", RELEASE),
        ("script", "exists"),
        ("script", "exists", "0" * 40, sha1(RELEASE)),
        ("script", "flush", "now"),
        ("script", "flush", "sync", "async"),
        ("script", "flush", "ASYNC"),
        ("script", "nothing"),
    ],
)
async def test_replies_are_those_of_redis(
    here: Dialog, there: Dialog, arguments: tuple[str, ...]
) -> None:
    """Byte by byte, in both versions of the protocol."""
    for protocol in (2, 3):
        for wire in (here, there):
            await wire("hello", protocol)
        assert await here.raw(*arguments) == await there.raw(*arguments)


async def test_a_script_is_known_by_its_sha1_once_it_was_sent(here: Dialog) -> None:
    """By EVAL or SCRIPT LOAD, until SCRIPT FLUSH."""
    assert "NOSCRIPT" in str(await here("evalsha", sha1(RELEASE), 1, "a", "b"))
    assert await here("script", "load", RELEASE) == sha1(RELEASE).encode()
    assert await here("script", "exists", sha1(RELEASE).upper(), sha1(EXTEND)) == [1, 0]
    assert await here("evalsha", sha1(RELEASE).upper(), 1, "a", "b") == 0
    await here("eval", EXTEND, 1, "a", "b", 1)
    assert await here("script", "exists", sha1(EXTEND)) == [1]
    await here("script", "flush")
    assert await here("script", "exists", sha1(RELEASE)) == [0]


async def test_other_scripts_are_refused(here: Dialog) -> None:
    """By an error that says so."""
    for command in (("eval", "return 1", 0), ("script", "load", "return 1")):
        reply = await here(*command)
        assert isinstance(reply, hiredis.ReplyError)
        assert "known clients" in str(reply)
    assert "known clients" in str(await here("eval", "x" * 100_000, 0))


async def test_scripts_in_a_transaction(here: Dialog, there: Dialog) -> None:
    """They run with the others, at one moment."""
    for wire in (here, there):
        await wire("set", "a", "token")
        await wire("multi")
        await wire("eval", RELEASE, 1, "a", "other")
        await wire("eval", RELEASE, 1, "a", "token")
        await wire("get", "a")
        await wire("evalsha", sha1(RELEASE), 1, "a", "token")
    assert await here.raw("exec") == await there.raw("exec")


async def test_keys_are_those_of_the_database(here: Dialog) -> None:
    """And they may be on disk alone."""
    await here("select", 3)
    await here("set", "lock", "token")
    await here("mset", *(part for number in range(3000) for part in (b"k%d" % number, b"x")))
    await here("select", 0)
    assert await here("eval", RELEASE, 1, "lock", "token") == 0
    await here("select", 3)
    assert await here("eval", RELEASE, 1, "lock", "token") == 1
    assert await here("exists", "lock") == 0


# ---- as clients use them


async def test_locks_of_redis_py(served: Served) -> None:
    """Acquired, extended, reacquired, released; by the one who has it alone."""
    redis = pytest.importorskip("redis.asyncio")
    errors = pytest.importorskip("redis.exceptions")
    async with redis.Redis(port=served.port) as client:
        lock, other = client.lock("lock", timeout=10), client.lock("lock", timeout=10)
        assert await lock.acquire()
        assert not await other.acquire(blocking=False)
        assert await lock.extend(10)
        assert 19_000 < await client.pttl("lock") <= 20_000
        assert await lock.extend(5, replace_ttl=True)
        assert await lock.reacquire()
        assert 9_000 < await client.pttl("lock") <= 10_000
        other.local.token = b"another"
        with pytest.raises(errors.LockNotOwnedError):
            await other.release()
        await lock.release()
        assert await other.acquire(blocking=False)


async def test_one_of_many_has_the_lock(served: Served) -> None:
    """Fifty tasks add to a number under a lock, and none of the additions is lost."""
    redis = pytest.importorskip("redis.asyncio")
    async with redis.Redis(port=served.port) as client:
        await client.set("number", 0)

        async def add() -> None:
            async with client.lock("lock", timeout=20, sleep=0.005):
                number = int(await client.get("number"))
                await asyncio.sleep(0)
                await client.set("number", number + 1)

        await asyncio.gather(*(add() for _ in range(50)))
        assert await client.get("number") == b"50"
