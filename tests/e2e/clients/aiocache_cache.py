"""aiocache: values, decorators, optimistic locks, and the lock against a stampede."""

import asyncio
import os
from urllib.parse import urlsplit

from aiocache import Cache, cached, multi_cached
from aiocache.lock import OptimisticLock, OptimisticLockError, RedLock
from aiocache.serializers import JsonSerializer

parts = urlsplit(os.environ["REDIS_URL"])
OPTIONS = {"endpoint": parts.hostname, "port": parts.port, "namespace": "shop"}
calls = 0


@cached(ttl=60, cache=Cache.REDIS, key="squared", serializer=JsonSerializer(), **OPTIONS)
async def squared() -> int:
    global calls
    calls += 1
    return 16


@multi_cached("ids", cache=Cache.REDIS, serializer=JsonSerializer(), **OPTIONS)
async def of_ids(ids: list[str]) -> dict[str, str]:
    global calls
    calls += 1
    return {each: each.upper() for each in ids}


async def main() -> None:
    global calls
    cache = Cache(Cache.REDIS, serializer=JsonSerializer(), **OPTIONS)
    assert await cache.set("user", {"name": "Ada"}, ttl=60)
    assert await cache.get("user") == {"name": "Ada"}
    assert await cache.get("nothing", default=1) == 1
    assert await cache.add("new", 1)
    try:
        await cache.add("new", 1)
    except ValueError:
        pass
    else:
        raise AssertionError
    assert await cache.multi_set([(f"k{n}", n) for n in range(100)], ttl=60)
    assert await cache.multi_get([f"k{n}" for n in range(100)]) == list(range(100))
    assert await cache.increment("n", 3) == 3
    assert await cache.expire("n", 60)
    assert await cache.exists("n")
    assert await cache.raw("ttl", "shop:n") > 50
    assert await cache.delete("n") == 1

    assert [await squared() for _ in range(3)] == [16] * 3
    assert calls == 1
    assert await of_ids(["a", "b"]) == await of_ids(["a", "b"]) == {"a": "A", "b": "B"}
    assert calls == 2

    most = running = 0

    async def work() -> None:
        nonlocal most, running
        async with RedLock(cache, "lock", lease=5):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1

    for _ in range(3):  # in turn: all that wait go on at once, as meant against a stampede
        await work()
    assert most == 1

    async with OptimisticLock(cache, "user") as lock:
        await lock.cas({"name": "Eve"}, ttl=60)
    try:
        async with OptimisticLock(cache, "user") as lock:
            await cache.set("user", "between")
            await lock.cas("late")
    except OptimisticLockError:
        pass
    else:
        raise AssertionError
    assert await cache.get("user") == "between"

    assert await cache.clear(namespace="shop")
    assert await cache.get("user") is None
    await cache.close()


asyncio.run(main())
