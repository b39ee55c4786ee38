"""Values after their life: served stale while they are revalidated, or after an error (RFC 5861);
and lives that hits renew.
"""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.chaos.redis import Redis, over_tcp
from tests.running import RunningSidecar, life_left, problem, wait_until

PATH = "/v1/cache/test/key"
GRACE = {"Cache-Control": "max-age=1, stale-while-revalidate=100, stale-if-error=200"}


def left_in(headers: dict[str, str]) -> int:
    [left] = re.findall(r"; ttl=(-?\d+)", headers["Cache-Status"])
    return int(left)


def let_expire(sidecar: RunningSidecar, path: str = PATH) -> None:
    """Wait until its life is over."""
    wait_until(lambda: left_in(sidecar.ask("HEAD", path).headers) < 0, "it is stale")


def test_a_value_is_served_stale(sidecar: RunningSidecar) -> None:
    """With less than 0 seconds left, counted by itself, over a restart, until it is put anew."""
    sidecar.ask("PUT", PATH, b"old", GRACE)
    assert left_in(sidecar.ask("GET", PATH).headers) >= 0
    let_expire(sidecar)
    tag = sidecar.ask("GET", PATH).headers["ETag"]
    sidecar.kill_both()
    sidecar.start()
    stale = sidecar.ask("GET", PATH)
    assert (stale.body, stale.headers["ETag"]) == (b"old", tag)
    assert left_in(stale.headers) < 0
    tiers = json.loads(sidecar.ask("GET", "/v1/stats").body)["tiers"]
    assert sum(tier["stale"] for tier in tiers.values()) == 1
    assert sum(tier["hits"] for tier in tiers.values()) == 0
    metrics = sidecar.ops("/metrics").body.decode()
    assert re.search(r'lookups_total{[^}]*result="stale"[^}]*} 1\.0', metrics)
    assert b'"key":"key"' in sidecar.ask("GET", "/v1/keys?namespace=test").body
    keys = json.dumps({"namespace": "test", "keys": ["key"]}).encode()
    [found] = json.loads(sidecar.ask("POST", "/v1/mget", keys).body)["entries"]
    assert found["stale"] is True
    assert found["ttl"] < 0
    assert sidecar.ask("PUT", PATH, b"new", {**GRACE, "If-Match": tag}).status == 204
    assert sidecar.ask("GET", PATH).body == b"new"


def test_a_stale_value_can_be_given_a_new_life(sidecar: RunningSidecar) -> None:
    """Of which whoever revalidates it knows that it is still right."""
    sidecar.ask("PUT", PATH, b"v", GRACE)
    let_expire(sidecar)
    assert sidecar.ask("PATCH", f"{PATH}?ttl=100").status == 204
    assert life_left(sidecar.ask("GET", PATH).headers) in {99, 98}


@pytest.mark.parametrize("directive", ["max-stale", "max-stale=60", "stale-if-error=60"])
def test_after_an_error_a_value_is_served_for_longer(
    sidecar: RunningSidecar, directive: str
) -> None:
    """To who says so; for others it is a miss."""
    sidecar.ask("PUT", f"{PATH}?ttl=0.2", b"old", {"Cache-Control": "stale-if-error=200"})
    wait_until(lambda: sidecar.ask("GET", PATH).status == 404, "it is no answer for others")
    served = sidecar.ask("GET", PATH, None, {"Cache-Control": directive})
    assert (served.status, served.body) == (200, b"old")
    assert left_in(served.headers) < 0
    problem(sidecar.ask("GET", PATH, None, {"Cache-Control": "no-cache"}), 404)
    problem(sidecar.ask("PUT", PATH, b"x", {"If-Match": served.headers["ETag"]}), 412)


def test_a_value_is_gone_after_its_grace(sidecar: RunningSidecar) -> None:
    sidecar.ask("PUT", f"{PATH}?ttl=0.1", b"v", {"Cache-Control": "stale-while-revalidate=1"})
    wait_until(lambda: sidecar.ask("GET", PATH).status == 404, "it is gone")
    problem(sidecar.ask("GET", PATH, None, {"Cache-Control": "max-stale"}), 404)


def test_clients_of_redis_see_it_as_expired(sidecar: RunningSidecar) -> None:
    """They can't tell that a value is stale."""
    path = "/v1/cache/db0/key"
    sidecar.ask("PUT", path, b"1", GRACE)
    let_expire(sidecar, path)
    redis = Redis(over_tcp(sidecar.resp_port), "0")
    key = b"key"
    reads = [(b"GET", key), (b"TTL", key), (b"EXISTS", key), (b"MGET", key), (b"DBSIZE",)]
    assert redis.ask(*reads)[:4] == [None, -2, 0, [None]]  # type: ignore[index]
    assert redis.ask((b"SET", key, b"2", b"NX"), (b"GET", key)) == [b"OK", b"2"]
    redis.drop()


def test_a_counter_begins_anew_when_it_is_stale(sidecar: RunningSidecar) -> None:
    sidecar.ask("PUT", PATH, b"7", GRACE)
    let_expire(sidecar)
    assert sidecar.ask("POST", f"{PATH}?ttl=50").body == b"1"
    assert life_left(sidecar.ask("GET", PATH).headers) in {49, 48}


def test_a_life_slides(sidecar: RunningSidecar) -> None:
    """Each hit begins it anew, in the same version, until `max_age`."""
    sidecar.ask("PUT", f"{PATH}?ttl=2&sliding=true", b"v")
    sidecar.ask("PUT", "/v1/cache/test/bounded?ttl=2&sliding=true&max_age=3", b"v")
    tag = sidecar.ask("GET", PATH).headers["ETag"]
    for _ in range(10):
        time.sleep(0.5)
        got = sidecar.ask("GET", PATH)
        assert (got.status, got.headers["ETag"]) == (200, tag)
        assert left_in(got.headers) == 1
        sidecar.ask("GET", "/v1/cache/test/bounded")
    problem(sidecar.ask("GET", "/v1/cache/test/bounded"), 404)


def test_l3_hears_that_a_life_slides(sidecar: RunningSidecar) -> None:
    """What was hit lives on there, too."""
    sidecar.ask("PUT", f"{PATH}?ttl=4&sliding=true", b"v")
    for _ in range(12):
        time.sleep(0.5)
        assert sidecar.ask("GET", PATH).status == 200
    sidecar.kill_both()
    sidecar.start()
    assert sidecar.ask("GET", PATH).status == 200


BAD = [
    ("?sliding=true&ttl=never", {}, "has an end"),
    ("?max_age=5", {}, "sliding=true"),
    ("?sliding=1", {}, "true or false"),
    ("?sliding=true&max_age=never", {}, "max_age takes seconds"),
    ("?sliding=true&max_age=-1", {}, "max_age takes seconds"),
    ("", {"Cache-Control": "stale-while-revalidate=x"}, "whole seconds"),
    ("?ttl=5", {"Cache-Control": "stale-if-error=-1"}, "whole seconds"),
    ("", {"Cache-Control": "stale-if-error=1, stale-if-error=2"}, "send it once"),
]


@pytest.mark.parametrize(("query", "fields", "sentence"), BAD)
def test_bad_terms_are_refused(
    sidecar: RunningSidecar, query: str, fields: dict[str, str], sentence: str
) -> None:
    """And nothing is changed."""
    assert sentence in problem(sidecar.ask("PUT", PATH + query, b"v", fields), 400)
    problem(sidecar.ask("GET", PATH), 404)


def test_batches_have_terms(sidecar: RunningSidecar) -> None:
    entries = [
        {"key": "a", "value": "1", "ttl": 0.1, "stale_while_revalidate": 100},
        {"key": "b", "value": "1", "ttl": 1.5, "sliding": True, "max_age": 50},
    ]
    body = json.dumps({"namespace": "test", "entries": entries}).encode()
    assert sidecar.ask("POST", "/v1/mset", body).status == 200
    let_expire(sidecar, "/v1/cache/test/a")
    for _ in range(4):
        time.sleep(0.5)
        assert sidecar.ask("GET", "/v1/cache/test/b").status == 200
    entries[1]["sliding"] = False
    body = json.dumps({"namespace": "test", "entries": entries}).encode()
    assert "`$.entries[1]`" in problem(sidecar.ask("POST", "/v1/mset", body), 400)
