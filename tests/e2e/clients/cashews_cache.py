"""cashews: decorators, locks, rate limits, early and soft expiry, transactions, its near cache."""

import asyncio
import os

from cashews import LockedError, RateLimitError, cache

URL = os.environ["REDIS_URL"]
calls = 0


async def main() -> None:
    cache.setup(URL, client_side=False)
    await values()
    await decorators()
    await transactions()
    await cache.clear()
    await cache.close()

    cache.setup(URL, client_side=True)
    await values()
    await decorators()
    await cache.clear()
    await cache.close()


async def values() -> None:
    await cache.set("user", {"name": "Ada"}, expire="1m")
    assert await cache.get("user") == {"name": "Ada"}
    assert await cache.set("user", 1, exist=False) is False
    assert await cache.set("user", 2, expire="1m", exist=True)
    assert 58 <= await cache.get_expire("user") <= 60
    await cache.expire("user", 100)
    assert await cache.exists("user")
    assert await cache.incr("n") == 1
    assert await cache.incr("n", 4, expire=10) == 5
    await cache.set_many({f"key:{n}": n for n in range(100)}, expire=60)
    keys = [f"key:{n}" for n in range(100)]
    assert await cache.get_many(*keys) == tuple(range(100))
    assert len([key async for key in cache.scan("key:*")]) == 100
    assert dict([pair async for pair in cache.get_match("key:1?")])["key:11"] == 11
    await cache.delete_match("key:1*")
    assert await cache.get("key:1") is None
    assert await cache.get("key:2") == 2
    await cache.delete_many("key:2", "key:3")
    assert await cache.delete("user")
    assert not await cache.delete("user")
    assert await cache.delete("n")
    assert await cache.ping()
    assert await cache.get_size("key:4")
    assert await cache.get_keys_count() >= 1


async def decorators() -> None:
    global calls

    @cache(ttl="1m", key="plain:{x}")
    async def plain(x: int) -> int:
        global calls
        calls += 1
        return x * 2

    calls = 0
    assert [await plain(4) for _ in range(3)] == [8, 8, 8]
    assert calls == 1
    await cache.delete("plain:4")
    assert await plain(4) == 8
    assert calls == 2

    @cache(ttl="1m", key="locked:{x}", lock=True)
    async def locked(x: int) -> int:
        global calls
        calls += 1
        await asyncio.sleep(0.02)
        return x

    calls = 0
    assert await asyncio.gather(*(locked(5) for _ in range(10))) == [5] * 10
    assert calls == 1

    @cache.early(ttl="1m", early_ttl="30s", key="early:{x}")
    @cache.soft(ttl="1m", soft_ttl="30s", key="soft:{x}")
    @cache.failover(ttl="1m", key="failover:{x}")
    @cache.hit(ttl="1m", cache_hits=10, key="hit:{x}")
    async def layered(x: int) -> int:
        return x

    assert [await layered(6) for _ in range(3)] == [6, 6, 6]

    @cache.rate_limit(limit=3, period="10s", key="rate:{x}")
    async def limited(x: int) -> int:
        return x

    assert [await limited(1) for _ in range(3)] == [1, 1, 1]
    try:
        await limited(1)
    except RateLimitError:
        pass
    else:
        raise AssertionError

    async with cache.lock("lock", expire=10):
        assert await cache.is_locked("lock")
        try:
            async with cache.lock("lock", expire=10, wait=False):
                raise AssertionError
        except LockedError:
            pass
    assert not await cache.is_locked("lock")


async def transactions() -> None:
    async with cache.transaction() as transaction:
        await cache.set("in", 1, expire=10)
        await transaction.rollback()
    assert await cache.get("in") is None
    async with cache.transaction():
        await cache.set("in", 1, expire=10)
    assert await cache.get("in") == 1


asyncio.run(main())
