"""Django: its own Redis backend, for values, sessions, cached views and templates."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor

import django
from django.conf import settings
from django.http import HttpResponse

settings.configure(
    CACHES={
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["REDIS_URL"],
            "KEY_PREFIX": "shop",
            "TIMEOUT": 60,
        },
        "other": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["REDIS_URL"].replace("/0", "/4"),
        },
    },
    INSTALLED_APPS=["django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    ROOT_URLCONF=__name__,
    SECRET_KEY="x",
    ALLOWED_HOSTS=["*"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
)
django.setup()

from django.core.cache import cache, caches  # noqa: E402
from django.template import engines  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.cache import cache_page  # noqa: E402

made = 0


@cache_page(60)
def page(request):
    global made
    made += 1
    return HttpResponse(f"made {made}")


def count(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return HttpResponse(str(request.session["visits"]))


urlpatterns = [path("page", page), path("count", count)]

# Values and lives.
cache.set("user", {"name": "Ada", "tags": [1, 2.5, None, b"x"]})
assert cache.get("user") == {"name": "Ada", "tags": [1, 2.5, None, b"x"]}
assert cache.get("nothing", "default") == "default"
assert cache.add("user", 1) is False
assert cache.add("new", 1) is True
cache.set("none", None)
assert cache.get("none", "default") is None
cache.set("short", 1, timeout=1)
cache.set("never", 1, timeout=None)
cache.set("expired", 1, timeout=0)
assert "expired" not in cache
assert cache.touch("never", 100)
assert cache.get_or_set("made", lambda: 42) == 42
assert cache.has_key("made")
assert cache.delete("made") and not cache.delete("made")
cache.set("versioned", "one", version=1)
cache.set("versioned", "two", version=2)
assert cache.get("versioned", version=2) == "two"
assert cache.incr_version("versioned") == 2

# Counters.
cache.set("n", 10)
assert cache.incr("n", 5) == 15
assert cache.decr("n", 20) == -5
try:
    cache.incr("nothing")
except ValueError:
    pass
else:
    raise AssertionError
with ThreadPoolExecutor(8) as threads:
    list(threads.map(lambda _: cache.incr("n"), range(200)))
assert cache.get("n") == 195

# Many keys.
assert cache.set_many({f"key:{n}": "x" * n for n in range(500)}, timeout=60) == []
assert len(cache.get_many([f"key:{n}" for n in range(600)])) == 500
cache.delete_many([f"key:{n}" for n in range(250)])
assert len(cache.get_many([f"key:{n}" for n in range(500)])) == 250


async def in_tasks() -> None:
    await asyncio.gather(*(cache.aset(f"a:{n}", n) for n in range(50)))
    assert await asyncio.gather(*(cache.aget(f"a:{n}") for n in range(50))) == list(range(50))


asyncio.run(in_tasks())

# Sessions, cached views, cached parts of templates.
client = Client()
assert [client.get("/count").content for _ in range(3)] == [b"1", b"2", b"3"]
assert Client().get("/count").content == b"1"
assert [client.get("/page").content for _ in range(3)] == [b"made 1"] * 3
template = engines["django"].from_string(
    "{% load cache %}{% cache 60 part %}{{ value }}{% endcache %}"
)
assert [template.render({"value": value}) for value in (1, 2)] == ["1", "1"]

time.sleep(1)
assert cache.get("short") is None

# Another database is not cleared along.
caches["other"].set("kept", 1)
cache.clear()
assert cache.get("user") is None
assert caches["other"].get("kept") == 1
caches["other"].clear()
