"""django-redis: patterns, lives, locks and the plain client, besides Django's own interface."""

import os
from concurrent.futures import ThreadPoolExecutor

import django
from django.conf import settings

URL = os.environ["REDIS_URL"]
COMPRESSOR = "django_redis.compressors.zlib.ZlibCompressor"
JSON = "django_redis.serializers.json.JSONSerializer"
settings.configure(
    CACHES={
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": URL,
            "OPTIONS": {"COMPRESSOR": COMPRESSOR},
        },
        "json": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": URL,
            "KEY_PREFIX": "json",
            "OPTIONS": {"SERIALIZER": JSON},
        },
    },
    USE_TZ=True,
)
django.setup()

from django.core.cache import cache, caches  # noqa: E402
from django_redis import get_redis_connection  # noqa: E402

# Values and lives.
cache.set("user", {"name": "Ada"}, timeout=60)
assert cache.get("user") == {"name": "Ada"}
assert 58 <= cache.ttl("user") <= 60
assert cache.ttl("nothing") == 0
assert cache.persist("user") and cache.ttl("user") is None
assert cache.expire("user", timeout=100)
assert cache.pexpire("user", timeout=100_000) and cache.pttl("user") > 90_000
assert cache.set("user", 1, nx=True) is False
assert cache.add("new", "x" * 10_000) and cache.get("new") == "x" * 10_000
assert cache.touch("new", 10)
caches["json"].set("list", [1, {"a": None}])
assert caches["json"].get("list") == [1, {"a": None}]

# Counters.
cache.set("n", 1)
assert cache.incr("n") == 2
assert cache.decr("n", 5) == -3
assert cache.incr("fresh", 3, ignore_key_check=True) == 3
try:
    cache.incr("nothing")
except ValueError:
    pass
else:
    raise AssertionError
with ThreadPoolExecutor(8) as threads:
    list(threads.map(lambda _: cache.incr("n"), range(200)))
assert cache.get("n") == 197

# Many keys and patterns.
cache.set_many({f"item:{n}": n for n in range(300)})
assert cache.get_many([f"item:{n}" for n in range(300)]) == {f"item:{n}": n for n in range(300)}
assert len(cache.keys("item:*")) == 300
assert len(set(cache.iter_keys("item:1*"))) == 111
assert cache.delete_pattern("item:1*", itersize=50) == 111
assert cache.delete_many(["item:2", "item:3", "nothing"]) == 2

# Locks.
with cache.lock("lock", timeout=10):
    assert not cache.lock("lock", timeout=10, blocking_timeout=0.05).acquire()
assert cache.lock("lock", timeout=1).acquire()

plain = get_redis_connection("default")
plain.set("raw", b"1")
assert plain.get("raw") == b"1"
caches["json"].clear()
assert cache.get("user") is None  # clear() is FLUSHDB
