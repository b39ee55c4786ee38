"""CACHE.GET, CACHE.SET, CACHE.INVALIDATE: by a client of Redis, in both versions of the protocol,
and as one truth with the data API.

More than 300 lines, since the table of bad input stands beside what the commands do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from tests.running import RunningSidecar, problem, wait_until

PATH = "/v1/cache/db0/key"
ABSENT: dict[str, Any] = {
    "value": None,
    "stale": False,
    "ttl": None,
    "etag": None,
    "content_type": None,
    "tags": [],
    "lease": None,
}


class Cache:
    """A client, and the replies as a Python client may tell them."""

    def __init__(self, sidecar: RunningSidecar, protocol: int) -> None:
        self.protocol = protocol
        self.redis: Any = redis.Redis(port=sidecar.resp_port, protocol=protocol)

    def __call__(self, *arguments: Any) -> Any:
        return self.redis.execute_command(*arguments)

    def get(self, key: str = "key", *options: Any) -> dict[str, Any]:
        return self.told(self("CACHE.GET", key, *options))

    def told(self, reply: Any) -> dict[str, Any]:
        """The fields of a reply to CACHE.GET, in the form of either protocol."""
        if self.protocol == 3:
            assert type(reply) is dict
            pairs = reply
            assert type(pairs[b"stale"]) is bool
        else:
            assert type(reply) is list
            pairs = dict(zip(reply[::2], reply[1::2], strict=True))
            assert pairs[b"stale"] in {0, 1}
        told = {name.decode(): value for name, value in pairs.items()}
        assert list(told) == list(ABSENT)
        return told


@pytest.fixture(params=[2, 3])
def cache(ours: RunningSidecar, request: pytest.FixtureRequest) -> Iterator[Cache]:
    cache = Cache(ours, request.param)
    cache.redis.flushall()
    yield cache
    cache.redis.close()


def expire(cache: Cache) -> None:
    """Wait until the key is stale."""
    wait_until(lambda: cache.redis.get("key") is None, "it has expired for GET")


# ---- what is stored and found


def test_a_miss_has_the_same_fields(cache: Cache) -> None:
    assert cache.get() == ABSENT


def test_a_value_is_found_with_what_it_was_set_with(cache: Cache) -> None:
    """Over both protocols: options are words in any case."""
    tag = cache("cache.set", "key", "v", "ex", 60, "type", "text/plain", "tags", 2, "a", "b c")
    found = cache.get()
    assert 58_000 < found.pop("ttl") <= 60_000
    expected = {**ABSENT, "value": b"v", "etag": tag, "content_type": b"text/plain"}
    expected["tags"] = [b"a", b"b c"]
    del expected["ttl"]
    assert found == expected
    assert cache.redis.get("key") == b"v"


def test_without_a_life_it_never_expires(cache: Cache) -> None:
    cache("CACHE.SET", "key", b"\xff\0")
    found = cache.get()
    assert (found["value"], found["ttl"]) == (b"\xff\0", None)
    assert found["content_type"] == b"application/octet-stream"
    assert cache.redis.ttl("key") == -1


def test_http_reads_what_was_set(cache: Cache, ours: RunningSidecar) -> None:
    tag = cache(
        *("CACHE.SET", "key", "v", "PX", 60_000, "TYPE", "text/html", "TAGS", 1, "red"),
        *("STALE", 5, "STALEERROR", "7.5"),
    )
    answer = ours.ask("GET", PATH)
    assert (answer.status, answer.body) == (200, b"v")
    assert answer.headers["Cache-Groups"] == '"red"'
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.headers["ETag"].encode() == tag
    ours.ask("PUT", PATH, b"w", {"Cache-Groups": '"blue"', "Content-Type": "text/plain"})
    found = cache.get()
    assert (found["value"], found["tags"], found["content_type"]) == (
        b"w",
        [b"blue"],
        b"text/plain",
    )


def test_nx_and_xx(cache: Cache) -> None:
    """As of SET: null where nothing was stored."""
    assert cache("CACHE.SET", "key", "1", "XX", "TAGS", 1, "a") is None
    first = cache("CACHE.SET", "key", "1", "NX", "TAGS", 1, "nx")
    assert first
    assert cache("CACHE.SET", "key", "2", "nx") is None
    assert cache.get()["etag"] == first
    assert cache("CACHE.SET", "key", "2", "XX") != first
    assert cache.get()["value"] == b"2"


def test_a_life_is_kept(cache: Cache) -> None:
    cache("CACHE.SET", "key", "1", "EXAT", int(time.time()) + 100)
    cache("CACHE.SET", "key", "2", "KEEPTTL")
    assert 98_000 < cache.get()["ttl"] <= 100_000


def test_what_has_expired_already_is_not_stored(cache: Cache) -> None:
    cache("CACHE.SET", "key", "1")
    assert cache("CACHE.SET", "key", "2", "PXAT", 1, "STALE", 100, "SLIDING") is None
    assert cache.get() == ABSENT


# ---- after its life


def test_a_stale_value_is_told(cache: Cache, ours: RunningSidecar) -> None:
    """For other commands it has expired; NX stores in its place."""
    cache("CACHE.SET", "key", "old", "PX", 200, "STALE", 100)
    expire(cache)
    found = cache.get()
    assert (found["value"], found["stale"]) == (b"old", True)
    assert found["ttl"] < 0
    assert ours.ask("GET", PATH).body == b"old"
    assert cache("CACHE.SET", "key", "new", "NX")
    assert cache.get()["value"] == b"new"


def test_after_an_error(cache: Cache) -> None:
    """Only who says so is served."""
    cache("CACHE.SET", "key", "old", "PX", 200, "STALEERROR", 100)
    expire(cache)
    assert cache.get() == ABSENT
    found = cache.get("key", "ONERROR")
    assert (found["value"], found["stale"]) == (b"old", True)


def test_hits_renew_a_life_that_slides(cache: Cache) -> None:
    """Up to MAXAGE."""
    cache("CACHE.SET", "key", "v", "PX", 60_000, "SLIDING", "MAXAGE", 61)
    first = cache.redis.pexpiretime("key")
    wait_until(lambda: cache.get() and cache.redis.pexpiretime("key") > first, "it is renewed")
    wait_until(lambda: cache.get()["ttl"] < 59_900, "it reaches its end")
    assert cache.redis.pexpiretime("key") <= first + 1001


# ---- leases


def test_one_gets_the_lease(cache: Cache) -> None:
    token = cache.get("key", "LEASE", 30)["lease"]
    assert token
    assert cache.get("key", "LEASE", 30) == ABSENT
    cache("CACHE.SET", "key", "v", "LEASE", token)
    found = cache.get("key", "LEASE", 30)
    assert (found["value"], found["lease"]) == (b"v", None)


def test_a_lost_lease_has_an_error_of_its_own(cache: Cache) -> None:
    """And nothing is changed."""
    token = cache.get("key", "LEASE", 30)["lease"]
    cache.redis.set("key", "newer")
    for wrong in (token, "nonsense", b"\xff"):
        with pytest.raises(redis.ResponseError, match=r"^LEASELOST .*nothing was changed"):
            cache("CACHE.SET", "key", "older", "EX", 60, "LEASE", wrong)
        with pytest.raises(redis.ResponseError, match=r"^LEASELOST"):
            cache("CACHE.SET", "key", "older", "EXAT", 1, "LEASE", wrong)
    assert cache.redis.get("key") == b"newer"


def test_a_tag_that_was_invalidated_meanwhile_ends_a_lease(cache: Cache) -> None:
    token = cache.get("key", "LEASE", 30)["lease"]
    cache("CACHE.INVALIDATE", "TAGS", "red")
    with pytest.raises(redis.ResponseError, match=r"^LEASELOST"):
        cache("CACHE.SET", "key", "v", "TAGS", 1, "red", "LEASE", token)
    assert cache.get() == ABSENT


def test_a_lease_of_http_is_redeemed_here_and_the_reverse(
    cache: Cache, ours: RunningSidecar
) -> None:
    token = ours.ask("GET", f"{PATH}?lease=30").headers["Cache-Lease"]
    assert cache.get("key", "LEASE", 30)["lease"] is None
    assert cache("CACHE.SET", "key", "v", "LEASE", token)
    assert ours.ask("PUT", PATH, b"w", {"Cache-Lease": token}).status == 412
    cache.redis.delete("key")
    token = cache.get("key", "LEASE", 30)["lease"].decode()
    assert "Cache-Lease" not in ours.ask("GET", f"{PATH}?lease=30").headers
    assert ours.ask("PUT", PATH, b"w", {"Cache-Lease": token}).status == 201
    with pytest.raises(redis.ResponseError, match=r"^LEASELOST"):
        cache("CACHE.SET", "key", "v", "LEASE", token)


def test_a_stale_value_is_served_to_all_and_one_gets_the_lease(cache: Cache) -> None:
    cache("CACHE.SET", "key", "old", "PX", 200, "STALE", 100)
    expire(cache)
    first, second = (cache.get("key", "LEASE", 30, "WAIT", 20) for _ in range(2))
    assert first["lease"]
    assert second["lease"] is None
    assert first["value"] == second["value"] == b"old"


def test_who_waits_gets_the_value_and_blocks_nobody(cache: Cache, ours: RunningSidecar) -> None:
    """The pipeline of the one who waits keeps its order."""
    token = cache.get("key", "LEASE", 30)["lease"]
    other = Cache(ours, cache.protocol)
    pipeline = other.redis.pipeline(transaction=False)
    pipeline.set("before", "1")
    pipeline.execute_command("CACHE.GET", "key", "LEASE", 30, "WAIT", 20)
    pipeline.execute_command("CACHE.GET", "key")
    pipeline.get("key")
    with ThreadPoolExecutor(1) as pool:
        replies = pool.submit(pipeline.execute)
        wait_until(lambda: cache.redis.get("before") == b"1", "the pipeline has begun")
        assert not replies.done()
        assert cache.redis.ping()
        cache("CACHE.SET", "key", "v", "LEASE", token)
        done, waited, again, plain = replies.result()
    assert done
    assert other.told(waited)["value"] == other.told(again)["value"] == plain == b"v"
    assert other.told(waited)["lease"] is None
    other.redis.close()


def test_a_bound_lease_ends_with_the_connection(cache: Cache, ours: RunningSidecar) -> None:
    """The first of those who wait gets the next one."""
    holder = Cache(ours, cache.protocol)
    assert holder.get("key", "LEASE", 300, "BOUND")["lease"]
    with ThreadPoolExecutor(1) as pool:
        waited = pool.submit(cache.get, "key", "LEASE", 300, "WAIT", 60)
        holder.redis.close()
        assert waited.result()["lease"]


def test_who_waits_may_go(cache: Cache, ours: RunningSidecar) -> None:
    """And gets no lease then."""
    holder = cache.get("key", "LEASE", 30)["lease"]
    gone = Cache(ours, cache.protocol)
    connection = gone.redis.connection_pool.get_connection()
    connection.send_command("CACHE.GET", "key", "LEASE", 300, "WAIT", 60)
    connection.disconnect()
    gone.redis.close()
    cache.redis.ping()
    cache("CACHE.SET", "key", "v", "LEASE", holder)
    cache.redis.delete("key")
    assert cache.get("key", "LEASE", 30)["lease"]


# ---- invalidation


def test_invalidation(cache: Cache, ours: RunningSidecar) -> None:
    """By tags, by prefix, and of all: of the selected database only."""
    ours.ask("PUT", "/v1/cache/db1/a1", b"v", {"Cache-Groups": '"red"'})

    def there() -> list[str]:
        return [key for key in ("a1", "a2", "b1") if cache.redis.get(key)]

    def put() -> None:
        cache("CACHE.SET", "a1", "v", "TAGS", 2, "red", "blue")
        cache("CACHE.SET", "a2", "v", "TAGS", 1, "green")
        cache("CACHE.SET", "b1", "v")

    put()
    assert cache("CACHE.INVALIDATE", "TAGS", "blue", "none") in {b"OK", "OK"}
    assert there() == ["a2", "b1"]
    put()
    assert cache("cache.invalidate", "prefix", "a") in {b"OK", "OK"}
    assert there() == ["b1"]
    put()
    cache("CACHE.INVALIDATE", "ALL")
    assert there() == []
    assert ours.ask("GET", "/v1/cache/db1/a1").status == 200
    put()
    body = json.dumps({"namespace": "db0", "tags": ["green"]}).encode()
    ours.ask("POST", "/v1/invalidate", body)
    assert there() == ["a1", "b1"]


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        (("TAGS", "red"), [None, b"2"]),
        (("PREFIX", "a"), [None, b"2"]),
        (("ALL",), [None, None]),
    ],
)
def test_in_a_transaction(cache: Cache, scope: tuple[str, ...], left: list[bytes | None]) -> None:
    """What it reads behind an invalidation is not there, also what only L3 had; errors are told."""
    cache("CACHE.SET", "a", "1", "TAGS", 1, "red")
    cache("CACHE.SET", "b", "2")
    pipeline = cache.redis.pipeline(transaction=True)
    pipeline.execute_command("CACHE.INVALIDATE", *scope)
    pipeline.mget("a", "b")
    pipeline.execute_command("CACHE.SET", "c", "3", "TYPE", "nonsense")
    pipeline.execute_command("CACHE.SET", "c", "3", "TAGS", 1, " ")
    pipeline.execute_command("CACHE.SET", "c", "3", "LEASE", "x")
    pipeline.execute_command("CACHE.SET", "c", "4", "NX")
    _, found, no_type, no_tag, no_lease, tag = pipeline.execute(raise_on_error=False)
    assert found == left
    for wrong in (no_type, no_tag, no_lease):
        assert isinstance(wrong, redis.ResponseError)
    assert cache.get("c")["etag"] == tag


def test_cache_get_is_not_queued(cache: Cache) -> None:
    """It may have to wait, for L3 or for who has the lease."""
    pipeline = cache.redis.pipeline(transaction=True)
    pipeline.execute_command("CACHE.GET", "key", "LEASE", 30)
    with pytest.raises(redis.ResponseError, match=r"not allowed inside a transaction: .*MULTI"):
        pipeline.execute()


# ---- bad input

BAD = {
    "CACHE.GET": "wrong number of arguments for 'cache.get'",
    "CACHE.SET key": "wrong number of arguments for 'cache.set'",
    "CACHE.INVALIDATE": "wrong number of arguments for 'cache.invalidate'",
    "CACHE.GET key FOO": "syntax error: CACHE.GET key ",
    "CACHE.GET key LEASE": "LEASE takes seconds from 0 to 300: LEASE 60",
    "CACHE.GET key LEASE 301": "LEASE takes seconds from 0 to 300",
    "CACHE.GET key LEASE x": "LEASE takes seconds",
    "CACHE.GET key LEASE -1": "LEASE takes seconds",
    "CACHE.GET key LEASE nan": "LEASE takes seconds",
    "CACHE.GET key LEASE 0": "A lease of 0 seconds has run out: send LEASE 10",
    "CACHE.GET key LEASE 1 WAIT 61": "WAIT takes seconds from 0 to 60",
    "CACHE.GET key LEASE 1 WAIT": "WAIT takes seconds",
    "CACHE.GET key WAIT 1": "WAIT and BOUND are about a lease: send LEASE 10 too",
    "CACHE.GET key BOUND": "WAIT and BOUND are about a lease",
    "CACHE.GET key LEASE 1 ONERROR": "send one of them",
    "CACHE.SET key v FOO": "syntax error: CACHE.SET key ",
    "CACHE.SET key v FOO 1": "syntax error: CACHE.SET key ",
    "CACHE.SET key v GET": "syntax error: CACHE.SET key ",
    "CACHE.SET key v EX": "syntax error: CACHE.SET key ",
    "CACHE.SET key v EX 1 PX 1": "syntax error: CACHE.SET key ",
    "CACHE.SET key v NX XX": "syntax error: CACHE.SET key ",
    "CACHE.SET key v EX x": "value is not an integer",
    "CACHE.SET key v EX 0": "invalid expire time in 'cache.set'",
    "CACHE.SET key v TYPE": "syntax error: CACHE.SET key ",
    "CACHE.SET key v TYPE x": "TYPE takes a media type: TYPE application/json",
    "CACHE.SET key v TAGS": "syntax error: CACHE.SET key ",
    "CACHE.SET key v TAGS x a": "value is not an integer",
    "CACHE.SET key v TAGS 2 a": "TAGS takes the number of tags, 0 to 32, and the tags: TAGS 2 a b",
    "CACHE.SET key v TAGS -1 a": "TAGS takes the number of tags",
    "CACHE.SET key v TAGS 33 a": "TAGS takes the number of tags",
    "CACHE.SET key v TAGS 1 ä": "A tag is 1 to 128 printable ASCII characters",
    "CACHE.SET key v STALE x": "STALE takes seconds from 0 to",
    "CACHE.SET key v STALEERROR -1": "STALEERROR takes seconds from 0 to",
    "CACHE.SET key v SLIDING": "A life that slides has an end: send EX 60 or PX 60000 too",
    "CACHE.SET key v SLIDING KEEPTTL": "A life that slides has an end",
    "CACHE.SET key v EX 1 MAXAGE 2": "MAXAGE bounds a life that slides: send SLIDING too",
    "CACHE.SET key v EX 1 SLIDING MAXAGE": "syntax error: CACHE.SET key ",
    "CACHE.INVALIDATE FOO": "syntax error: CACHE.INVALIDATE TAGS",
    "CACHE.INVALIDATE TAGS": "syntax error: CACHE.INVALIDATE TAGS",
    "CACHE.INVALIDATE PREFIX": "syntax error: CACHE.INVALIDATE TAGS",
    "CACHE.INVALIDATE PREFIX a b": "syntax error: CACHE.INVALIDATE TAGS",
    "CACHE.INVALIDATE ALL a": "syntax error: CACHE.INVALIDATE TAGS",
    "CACHE.INVALIDATE TAGS ä": "A tag is 1 to 128 printable ASCII characters",
}


@pytest.mark.parametrize("line", BAD)
def test_bad_input_is_told_what_to_do(cache: Cache, line: str) -> None:
    """And changes nothing."""
    cache.redis.set("key", "kept")
    with pytest.raises(redis.ResponseError) as wrong:
        cache(*line.split())
    assert BAD[line].removeprefix("ERR ") in str(wrong.value)
    assert cache.redis.get("key") == b"kept"


@pytest.mark.parametrize("key", ["", "x" * 1025])
def test_bad_keys(cache: Cache, key: str) -> None:
    for command in (("CACHE.GET", key), ("CACHE.SET", key, "v")):
        with pytest.raises(redis.ResponseError, match="A key is 1 to 1,024 bytes"):
            cache(*command)
    if key:
        with pytest.raises(redis.ResponseError, match="A key is 1 to 1,024 bytes"):
            cache("CACHE.INVALIDATE", "PREFIX", key)


# ---- what clients ask of commands


def test_they_are_described(cache: Cache) -> None:
    assert cache("COMMAND GETKEYS", "CACHE.SET", "key", "v", "NX") in ([b"key"], ["key"])
    listed = cache("COMMAND LIST", "FILTERBY", "ACLCAT", "read")
    assert b"cache.get" in listed
    assert b"cache.set" not in listed
    docs = str(cache("COMMAND DOCS", "CACHE.GET"))
    assert "docs/redis.md" in docs
    assert "valkey" not in docs


def test_a_near_cache_is_told_of_what_cache_get_has_read(ours: RunningSidecar) -> None:
    """As of what GET has read."""
    cache = Cache(ours, 3)
    connection = cache.redis.connection_pool.get_connection()
    told: list[Any] = []
    connection._parser.set_invalidation_push_handler(told.append)

    def ask(*command: str) -> Any:
        connection.send_command(*command)
        return connection.read_response()

    ask("CACHE.SET", "key", "v", "TAGS", "1", "red")
    ask("CLIENT", "TRACKING", "ON")
    assert ask("CACHE.GET", "key")[b"value"] == b"v"
    problem(ours.ask("GET", "/v1/cache/db0/none"), 404)
    ours.ask("PUT", PATH, b"w")
    wait_until(lambda: ask("PING") and told, "it is told")
    assert told == [[b"invalidate", [b"key"]]]
    cache.redis.close()
