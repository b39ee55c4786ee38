"""redis.asyncio in RESP3: many tasks, pipelines, locks, pub/sub, a pool that is exhausted."""

import asyncio
import os

import redis.asyncio as redis
from redis.exceptions import WatchError

URL = os.environ["REDIS_URL"]


async def main() -> None:
    pool = redis.BlockingConnectionPool.from_url(
        URL, max_connections=8, timeout=10, protocol=3, decode_responses=True
    )
    async with redis.Redis(connection_pool=pool) as r:
        await values(r)
        await transactions(r)
        await locks(r)
        await messages(r)
        assert await r.flushall()
        assert await r.dbsize() == 0
    await pool.aclose()


async def values(r: redis.Redis) -> None:
    await asyncio.gather(*(r.set(f"key:{n}", n, px=60_000) for n in range(500)))
    assert await asyncio.gather(*(r.get(f"key:{n}") for n in range(500))) == [
        str(n) for n in range(500)
    ]
    assert len({key async for key in r.scan_iter("key:*")}) == 500
    await asyncio.gather(*(r.incr("counter") for _ in range(500)))
    assert await r.getdel("counter") == "500"
    assert await r.mset({"a": 1, "b": 2})
    assert await r.msetnx({"b": 3, "c": 3}) is False
    assert await r.unlink("a", "b", "c") == 2
    assert (await r.info("server"))["redis_version"]


async def transactions(r: redis.Redis) -> None:
    async with r.pipeline(transaction=True) as pipe:
        assert await pipe.set("a", 1).incr("a").get("a").execute() == [True, 2, "2"]

    async def add(_: int) -> None:
        while True:
            async with r.pipeline() as pipe:
                try:
                    await pipe.watch("a")
                    number = int(await pipe.get("a"))
                    pipe.multi()
                    await pipe.set("a", number + 1).execute()
                except WatchError:
                    continue
                return

    await asyncio.gather(*(add(n) for n in range(20)))
    assert await r.get("a") == "22"


async def locks(r: redis.Redis) -> None:
    most = running = 0

    async def work() -> None:
        nonlocal most, running
        async with r.lock("lock", timeout=10, sleep=0.005) as lock:
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.002)
            assert await lock.extend(1)
            running -= 1

    await asyncio.gather(*(work() for _ in range(8)))
    assert most == 1


async def messages(r: redis.Redis) -> None:
    async with r.pubsub() as listener:
        await listener.subscribe("news")
        assert (await listener.get_message(timeout=5))["type"] == "subscribe"
        for number in range(100):
            await r.publish("news", number)
        heard = [(await listener.get_message(timeout=5))["data"] for _ in range(100)]
        assert heard == [str(number) for number in range(100)]


asyncio.run(main())
