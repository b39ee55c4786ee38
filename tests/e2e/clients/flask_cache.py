"""Flask-Caching: cached views, memoized functions, many keys, clear with a prefix."""

import os
from concurrent.futures import ThreadPoolExecutor

from flask import Flask
from flask_caching import Cache

app = Flask(__name__)
cache = Cache(
    app,
    config={
        "CACHE_TYPE": "RedisCache",
        "CACHE_REDIS_URL": os.environ["REDIS_URL"],
        "CACHE_KEY_PREFIX": "shop_",
        "CACHE_DEFAULT_TIMEOUT": 60,
    },
)
made = 0


@app.route("/page")
@cache.cached(query_string=True)
def page() -> str:
    global made
    made += 1
    return f"made {made}"


@cache.memoize()
def added(a: int, b: int) -> int:
    global made
    made += 1
    return a + b


with app.app_context():
    client = app.test_client()
    assert [client.get("/page?a=1").text for _ in range(3)] == ["made 1"] * 3
    assert client.get("/page?a=2").text == "made 2"

    made = 0
    assert [added(1, 2), added(1, 2), added(2, 2)] == [3, 3, 4]
    assert made == 2
    cache.delete_memoized(added, 1, 2)
    assert added(1, 2) == 3 and made == 3
    cache.delete_memoized(added)
    assert added(2, 2) == 4 and made == 4

    assert cache.set("user", {"name": "Ada"})
    assert cache.get("user") == {"name": "Ada"}
    assert cache.get("nothing") is None
    assert not cache.add("user", 1)
    assert cache.has("user")
    assert cache.delete("user")
    assert cache.set_many({f"key{n}": n for n in range(100)})
    assert cache.get_many(*(f"key{n}" for n in range(100))) == list(range(100))
    assert cache.get_dict("key1", "nothing") == {"key1": 1, "nothing": None}
    assert cache.delete_many("key1", "key2")
    assert cache.cache.inc("n", 3) == 3
    assert cache.cache.dec("n") == 2
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: cache.cache.inc("n"), range(200)))
    assert cache.get("n") == 202
    assert cache.unlink("key3", "key4")

    assert cache.clear()
    assert cache.get("key5") is None
