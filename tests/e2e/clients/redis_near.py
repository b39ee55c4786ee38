"""redis-py with a near cache: what it has read is kept, until the server tells that it changed."""

import os
import time
import urllib.request

import redis
from redis.cache import CacheConfig

URL, HTTP = os.environ["REDIS_URL"], os.environ["CACHE_SIDECAR_URL"]
r = redis.Redis.from_url(URL, protocol=3, cache_config=CacheConfig(), decode_responses=True)
other = redis.Redis.from_url(URL)


def reads() -> int:
    return other.info("commandstats").get("cmdstat_get", {}).get("calls", 0)


def until(key: str, value: str | None) -> None:
    """The change arrives soon: it is read along with the next command that is sent."""
    give_up = time.monotonic() + 5
    while (found := r.get(key)) != value:
        assert time.monotonic() < give_up, (key, found, value)
        time.sleep(0.005)


other.set("price", 10)
before = reads()
assert [r.get("price") for _ in range(100)] == ["10"] * 100
assert reads() - before <= 1
assert r.get_cache().size == 1

other.set("price", 11)
until("price", "11")
other.delete("price")
until("price", None)
other.set("price", 12, px=50)
until("price", "12")
until("price", None)
other.set("price", 13)
until("price", "13")
request = urllib.request.Request(f"{HTTP}/v1/cache/db0/price", b"14", method="PUT")
urllib.request.urlopen(request).close()
until("price", "14")
other.flushdb()
until("price", None)
