"""redis-py: values, lives, counters, transactions, locks, scans, pub/sub, many threads."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import LockError, LockNotOwnedError, NoScriptError, ResponseError, WatchError
from redis.retry import Retry

URL = os.environ["REDIS_URL"]
r = redis.Redis.from_url(
    URL,
    decode_responses=True,
    health_check_interval=1,
    retry=Retry(ExponentialBackoff(), 3),
    client_name="shop",
)
assert r.ping()
assert r.client_getname() == "shop"

# Values and lives.
assert r.set("greeting", "hello", ex=60)
assert r.get("greeting") == "hello"
assert 58 <= r.ttl("greeting") <= 60
assert r.set("greeting", "hi", nx=True) is None
assert r.set("greeting", "hi", xx=True, keepttl=True, get=True) == "hello"
assert r.getex("greeting", persist=True) == "hi"
assert r.ttl("greeting") == -1
assert r.get("nothing") is None
assert r.ttl("nothing") == -2
assert r.setex("short", 1, "x") and r.psetex("shorter", 20, "x")
time.sleep(0.05)
assert r.get("shorter") is None
assert r.append("greeting", " there") == 8
assert r.getrange("greeting", 3, -1) == "there"
assert r.setrange("greeting", 3, "where") == 8
assert r["greeting"] == "hi where"
r["greeting"] = "bye"
assert "greeting" in r
assert r.expire("greeting", 10) and not r.expire("greeting", 5, gt=True)
assert r.rename("greeting", "farewell")
assert r.copy("farewell", "again")
assert r.getdel("farewell") == "bye"
assert r.delete("again", "short", "nothing") == 2

# Bytes of any kind, and a value of a megabyte.
raw = redis.Redis.from_url(URL)
every = bytes(range(256))
raw.set(every, every * 4096)
assert raw.get(every) == every * 4096
assert raw.strlen(every) == 1 << 20
raw.delete(every)

# Counters.
assert r.incr("visits") == 1
assert r.incrby("visits", 9) == 10
assert r.decr("visits", 3) == 7
assert r.incrbyfloat("share", 0.25) == 0.25
r.set("name", "x")
try:
    r.incr("name")
except ResponseError as error:
    assert str(error) == "value is not an integer or out of range"
else:
    raise AssertionError

# Pipelines and transactions.
with r.pipeline(transaction=False) as pipe:
    for number in range(1000):
        pipe.set(f"many:{number}", number, ex=600)
    assert all(pipe.execute())
assert r.mget([f"many:{n}" for n in range(1000)]) == [str(n) for n in range(1000)]
with r.pipeline() as pipe:
    assert pipe.set("a", 1).incr("a").get("a").mget("a", "nothing").execute() == [
        True,
        2,
        "2",
        ["2", None],
    ]
with r.pipeline() as pipe:
    pipe.watch("a")
    assert pipe.get("a") == "2"
    r.set("a", 10)
    pipe.multi()
    pipe.set("a", 3)
    try:
        pipe.execute()
    except WatchError:
        pass
    else:
        raise AssertionError


def add(pipe):
    number = int(pipe.get("a"))
    pipe.multi()
    pipe.set("a", number + 1)


r.transaction(add, "a")
assert r.get("a") == "11"
with r.pipeline() as pipe:
    replies = pipe.set("b", "x").incr("b").get("b").execute(raise_on_error=False)
    assert isinstance(replies[1], ResponseError)
    assert replies[2] == "x"

# Scans.
assert len(set(r.scan_iter("many:*", count=100))) == 1000
assert len(r.keys("many:1?")) == 10
assert len(list(r.scan_iter("many:*", _type="string"))) == 1000
assert r.dbsize() == 1005, r.dbsize()
assert r.randomkey()
assert r.type("a") == "string"

# Locks.
lock = r.lock("lock", timeout=10)
assert lock.acquire(blocking=False)
assert not r.lock("lock", timeout=10).acquire(blocking_timeout=0.05)
assert lock.locked() and lock.owned()
assert lock.extend(5) and lock.reacquire()
lock.release()
try:
    lock.release()
except LockError:
    pass
else:
    raise AssertionError
with r.lock("lock", timeout=0.03) as lost:
    time.sleep(0.06)
    try:
        lost.extend(1)
    except LockNotOwnedError:
        pass
    else:
        raise AssertionError
    assert r.set(lost.name, lost.local.token, px=10_000)


def count(_: int) -> None:
    with r.lock("lock", timeout=10, sleep=0.01):
        r.set("counted", int(r.get("counted") or 0) + 1)


with ThreadPoolExecutor(8) as threads:
    list(threads.map(count, range(40)))
    assert r.get("counted") == "40"
    list(threads.map(lambda _: r.incr("visits"), range(400)))
    assert r.get("visits") == "407"

# A script of one's own does not run, and the error says so.
try:
    r.register_script("return redis.call('time')")()
except NoScriptError:
    raise AssertionError from None
except ResponseError as error:
    assert "Lua scripts do not run here" in str(error)

# Pub/sub.
with r.pubsub() as listener:
    listener.subscribe("news")
    listener.psubscribe("news.*")
    kinds = [listener.get_message(timeout=5)["type"] for _ in range(2)]
    assert kinds == ["subscribe", "psubscribe"]
    assert r.publish("news", "one") == 1
    assert listener.get_message(timeout=5)["data"] == "one"
    assert r.publish("news.today", "two") == 1
    assert listener.get_message(timeout=5)["channel"] == "news.today"
    assert r.pubsub_numsub("news") == [("news", 1)]

# The server.
info = r.info()
assert info["redis_version"].startswith("7.")
assert info["db0"]["keys"] >= 1000
assert r.config_get("maxmemory*")
assert r.memory_usage("a") > 0
assert r.object("encoding", "a") in {"int", b"int"}
assert any(each["name"] == "shop" for each in r.client_list())
assert "get" in r.command()
assert abs(r.time()[0] - time.time()) < 5
other = redis.Redis.from_url(URL.replace("/0", "/3"), decode_responses=True)
assert other.dbsize() == 0
other.set("there", 1)
assert r.get("there") is None
assert other.flushdb()
assert r.flushdb() and r.dbsize() == 0
