"""Tags over HTTP: stated with a put, invalidated at once, however they are stated."""

from __future__ import annotations

import json
import random
import threading
import time

import pytest

from tests.chaos.redis import Redis, over_tcp
from tests.running import RunningSidecar, life_left, problem

PATH = "/v1/cache/test/key"


def invalidate(sidecar: RunningSidecar, *tags: str, namespace: str = "test") -> None:
    body = json.dumps({"namespace": namespace, "tags": tags}).encode()
    assert sidecar.ask("POST", "/v1/invalidate", body).status == 204


@pytest.mark.parametrize(
    ("fields", "tags"),
    [
        ({"Cache-Groups": '"a", "b c"'}, '"a", "b c"'),
        ({"Cache-Groups": '"a";x=1;y,\t"a"'}, '"a"'),
        ({"Cache-Groups": r'"with \"quotes\", and \\"'}, r'"with \"quotes\", and \\"'),
        ({"Cache-Tag": "a, b c,,d"}, '"a", "b c", "d"'),
        ({"Cache-Groups": '"a"', "Cache-Tag": "b,a"}, '"a", "b"'),
        ({"Cache-Groups": "", "Cache-Tag": " , "}, None),
    ],
)
def test_tags_are_those_of_both_fields(
    sidecar: RunningSidecar, fields: dict[str, str], tags: str | None
) -> None:
    assert sidecar.ask("PUT", PATH, b"v", fields).status == 201
    for method in ("GET", "HEAD"):
        assert sidecar.ask(method, PATH).headers.get("Cache-Groups") == tags
    conditional = {"If-None-Match": sidecar.ask("GET", PATH).headers["ETag"]}
    assert sidecar.ask("GET", PATH, None, conditional).headers.get("Cache-Groups") == tags


def test_an_invalidated_tag_takes_what_carries_it(sidecar: RunningSidecar) -> None:
    """From every tier, of this namespace, and nothing that is put later; over kill -9."""
    for number in range(1500):
        tag = "even" if number % 2 == 0 else "odd"
        sidecar.ask("PUT", f"/v1/cache/test/{number}", b"x", {"Cache-Tag": f"all, {tag}"})
    sidecar.ask("PUT", "/v1/cache/test/plain", b"x")
    sidecar.ask("PUT", "/v1/cache/other/1", b"x", {"Cache-Tag": "even"})
    tiers = {sidecar.ask("GET", f"/v1/cache/test/{n}").tier for n in (0, 700, 1496, 1498)}
    assert len(tiers) > 1
    invalidate(sidecar, "even", "never seen")
    sidecar.ask("PUT", "/v1/cache/test/2", b"again", {"Cache-Tag": "even"})

    def check() -> None:
        for number in (0, 4, 700, 1400, 1498):
            problem(sidecar.ask("GET", f"/v1/cache/test/{number}"), 404)
        for path in ("test/1", "test/701", "test/1499", "test/plain", "other/1"):
            assert sidecar.ask("GET", f"/v1/cache/{path}").status == 200, path
        assert sidecar.ask("GET", "/v1/cache/test/2").body == b"again"

    check()
    sidecar.kill_both()
    sidecar.start()
    check()
    listed = sidecar.ask("GET", "/v1/keys?namespace=test&limit=1000").body
    assert b'"0"' not in listed


def test_batches_have_tags(sidecar: RunningSidecar) -> None:
    entries = [
        {"key": "a", "value": "1", "tags": ["red", "blue"], "ttl": 60},
        {"key": "b", "value": "2"},
    ]
    body = json.dumps({"namespace": "test", "entries": entries}).encode()
    assert sidecar.ask("POST", "/v1/mset", body).status == 200
    keys = json.dumps({"namespace": "test", "keys": ["a", "b"]}).encode()
    found = json.loads(sidecar.ask("POST", "/v1/mget", keys).body)["entries"]
    assert [each.get("tags") for each in found] == [["red", "blue"], None]
    invalidate(sidecar, "blue")
    found = json.loads(sidecar.ask("POST", "/v1/mget", keys).body)
    assert (found["missing"], [each["key"] for each in found["entries"]]) == (["a"], ["b"])


def test_what_changes_an_entry_keeps_its_tags(sidecar: RunningSidecar) -> None:
    """A touch, a count, and the Redis protocol; a put states them anew."""
    counter = "/v1/cache/db0/count"
    sidecar.ask("PUT", counter, b"1", {"Cache-Tag": "red"})
    assert sidecar.ask("PATCH", f"{counter}?ttl=100").status == 204
    assert sidecar.ask("POST", counter).body == b"2"
    redis = Redis(over_tcp(sidecar.resp_port), "0")
    replies = redis.ask(
        (b"INCR", b"count"),
        (b"EXPIRE", b"count", b"1000"),
        (b"APPEND", b"count", b"0"),
        (b"RENAME", b"count", b"renamed"),
        (b"COPY", b"renamed", b"copy", b"DB", b"1"),
    )
    redis.drop()
    assert replies == [3, 1, 2, b"OK", 1]
    for path in ("db0/renamed", "db1/copy"):
        assert sidecar.ask("GET", f"/v1/cache/{path}").headers["Cache-Groups"] == '"red"'
    invalidate(sidecar, "red", namespace="db0")
    problem(sidecar.ask("GET", "/v1/cache/db0/renamed"), 404)
    assert sidecar.ask("GET", "/v1/cache/db1/copy").body == b"30"
    invalidate(sidecar, "red", namespace="db1")
    problem(sidecar.ask("GET", "/v1/cache/db1/copy"), 404)
    sidecar.ask("PUT", PATH, b"v", {"Cache-Tag": "red"})
    sidecar.ask("PUT", PATH, b"v")
    assert "Cache-Groups" not in sidecar.ask("GET", PATH).headers


def soften(sidecar: RunningSidecar, *tags: str) -> None:
    body = json.dumps({"namespace": "test", "tags": tags, "soft": True}).encode()
    assert sidecar.ask("POST", "/v1/invalidate", body).status == 204


def test_a_soft_invalidation_leaves_a_stale_value(sidecar: RunningSidecar) -> None:
    """For as long after it as the value may be served stale; one that may not is gone. Over a
    restart, and until it is put anew or invalidated.
    """
    grace = {"Cache-Control": "stale-while-revalidate=100", "Cache-Tag": "red"}
    sidecar.ask("PUT", f"{PATH}?ttl=1000", b"old", grace)
    sidecar.ask("PUT", f"{PATH}/brief?ttl=1000", b"old", {"Cache-Tag": "red"})
    sidecar.ask("PUT", f"{PATH}/blue?ttl=1000", b"old", {**grace, "Cache-Tag": "blue"})
    soften(sidecar, "red", "green")
    for restarts in (True, False):
        stale = sidecar.ask("GET", PATH)
        assert (stale.status, stale.body) == (200, b"old")
        assert "; ttl=-1;" in stale.headers["Cache-Status"]
        problem(sidecar.ask("GET", f"{PATH}/brief"), 404)
        assert life_left(sidecar.ask("GET", f"{PATH}/blue").headers) > 900
        if restarts:
            sidecar.kill_both()
            sidecar.start()
    keys = json.dumps({"namespace": "test", "keys": ["key"]}).encode()
    [found] = json.loads(sidecar.ask("POST", "/v1/mget", keys).body)["entries"]
    assert (found["stale"], found["ttl"]) == (True, -1)
    lease = sidecar.ask("GET", f"{PATH}?lease=5").headers["Cache-Lease"]
    put = sidecar.ask("PUT", f"{PATH}?ttl=500", b"new", {**grace, "Cache-Lease": lease})
    assert put.status == 204
    assert life_left(sidecar.ask("GET", PATH).headers) > 490
    soften(sidecar, "red")
    invalidate(sidecar, "red")
    problem(sidecar.ask("GET", PATH), 404)
    sidecar.kill_both()
    sidecar.start()
    problem(sidecar.ask("GET", PATH), 404)


BAD = [
    ({"Cache-Groups": "a, b"}, "double quotes"),
    ({"Cache-Groups": '"a" "b"'}, "double quotes"),
    ({"Cache-Groups": '"a'}, "double quotes"),
    ({"Cache-Groups": '"é"'}, "double quotes"),
    ({"Cache-Tag": '"a"'}, "without quotes"),
    ({"Cache-Tag": "a\tb"}, "printable ASCII"),
    ({"Cache-Tag": "a" * 129}, "1 to 128"),
    ({"Cache-Groups": f'"{"a" * 129}"'}, "1 to 128"),
    ({"Cache-Groups": '""'}, "1 to 128"),
    ({"Cache-Groups": '" a"'}, "spaces at its ends"),
    ({"Cache-Tag": ",".join(f"t{n}" for n in range(33))}, "at most 32"),
]


@pytest.mark.parametrize(("fields", "sentence"), BAD)
def test_bad_tags_are_refused(
    sidecar: RunningSidecar, fields: dict[str, str], sentence: str
) -> None:
    """And nothing is changed."""
    sidecar.ask("PUT", PATH, b"before")
    sent = {name: value.encode().decode("latin-1") for name, value in fields.items()}
    assert sentence in problem(sidecar.ask("PUT", PATH, b"v", sent), 400)
    assert sidecar.ask("GET", PATH).body == b"before"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"tags": ["a"], "prefix": "b"}, "Send one of"),
        ({"tags": ["a"], "all": True}, "Send one of"),
        ({}, "Send one of"),
        ({"tags": "a"}, "list"),
        ({"tags": [1]}, "str"),
        ({"tags": []}, "no tag"),
        ({"tags": ["a" * 129]}, "1 to 128"),
        ({"tags": ["é"]}, "printable ASCII"),
        ({"prefix": "a", "soft": True}, "Only tags"),
        ({"tags": [f"t{n}" for n in range(1001)]}, "at most 1,000"),
    ],
)
def test_a_bad_invalidation_is_refused(
    sidecar: RunningSidecar, body: dict[str, object], sentence: str
) -> None:
    sent = json.dumps({"namespace": "test", **body}).encode()
    assert sentence in problem(sidecar.ask("POST", "/v1/invalidate", sent), 400)


def test_a_bad_tag_in_a_batch_names_its_entry(sidecar: RunningSidecar) -> None:
    entries = [{"key": "a", "value": "1"}, {"key": "b", "value": "1", "tags": ["x" * 200]}]
    body = json.dumps({"namespace": "test", "entries": entries}).encode()
    detail = problem(sidecar.ask("POST", "/v1/mset", body), 400)
    assert "`$.entries[1]`" in detail
    problem(sidecar.ask("GET", "/v1/cache/test/a"), 404)


def test_thousands_of_distinct_tags_are_invalidated(sidecar: RunningSidecar) -> None:
    """64 clients with 100 each: none is refused, and each is exact for its client at once."""
    seed = 20261201
    wrong: list[str] = []

    def client(number: int) -> None:
        rng = random.Random(seed + number)
        for turn in range(100):
            path = f"/v1/cache/test/{number}/{rng.randrange(10)}"
            tag = f"{number}-{turn}"
            while (put := sidecar.ask("PUT", path, b"v", {"Cache-Tag": tag})).status == 503:
                time.sleep(0.1)  # too many puts for L3, on a busy machine
            body = json.dumps({"namespace": "test", "tags": [tag]}).encode()
            statuses = [
                put.status,
                sidecar.ask("GET", path).status,
                sidecar.ask("POST", "/v1/invalidate", body).status,
                sidecar.ask("GET", path).status,
            ]
            if statuses != [201, 200, 204, 404]:
                wrong.append(f"{path}: {statuses}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
