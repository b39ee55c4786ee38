"""Settings of namespaces: lives, and what is served after them, whatever protocol puts a value."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.redis import Redis, over_tcp
from tests.http.test_stale import left_in, let_expire
from tests.running import RunningSidecar, problem, wait_until

CACHE = """
default_ttl: 2h
namespaces:
  sessions: {default_ttl: 15m, max_ttl: 1h, sliding: true, max_age: 1d}
  img-*: {default_ttl: 100s, stale_while_revalidate: 5m, stale_if_error: 1h}
  img-big: {default_ttl: 1000s}
  spread: {default_ttl: 1000s, jitter: 50%}
  early: {default_ttl: 4s, refresh_early: 75%}
  db0: {default_ttl: 500s, max_ttl: 600s}
"""


@pytest.fixture
def named(tmp_path: Path) -> Iterator[RunningSidecar]:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "cache.yaml").write_text(CACHE)
    running = RunningSidecar(tmp_path / "data", flags=("--config", str(folder))).start()
    yield running
    running.stop()


def put(sidecar: RunningSidecar, name: str, query: str = "", **fields: str) -> int:
    """The seconds that the entry has left."""
    path = f"/v1/cache/{name}"
    assert sidecar.ask("PUT", path + query, b"1", fields).status in {201, 204}
    return left_in(sidecar.ask("HEAD", path).headers)


def test_a_namespace_has_a_life_of_its_own(named: RunningSidecar) -> None:
    """By its name, else by the longest prefix, else as all; a stated life comes first."""
    assert put(named, "sessions/a") in {899, 898}
    assert put(named, "img-small/a") in {99, 98}
    assert put(named, "img-big/a") in {999, 998}
    assert put(named, "img-big2/a") in {99, 98}
    assert put(named, "img/a") in {7199, 7198}
    assert put(named, "img-small/a", "?ttl=30") in {29, 28}
    entries = [{"key": "a", "value": "1"}, {"key": "b", "value": "1", "ttl": 5000}]
    body = json.dumps({"namespace": "sessions", "entries": entries}).encode()
    assert named.ask("POST", "/v1/mset", body).status == 200
    assert left_in(named.ask("GET", "/v1/cache/sessions/a").headers) in {899, 898}
    assert left_in(named.ask("GET", "/v1/cache/sessions/b").headers) in {3599, 3598}


def test_a_life_is_bounded(named: RunningSidecar) -> None:
    """However it is stated: by a put, a touch, or a client of Redis."""
    for query in ("?ttl=100000", "?ttl=never"):
        assert put(named, "sessions/a", query) in {3599, 3598}
    assert named.ask("PATCH", "/v1/cache/sessions/a?ttl=never").status == 204
    assert left_in(named.ask("GET", "/v1/cache/sessions/a").headers) in {3599, 3598}
    redis = Redis(over_tcp(named.resp_port), "0")
    found = redis.ask(
        (b"SET", b"a", b"1"),
        (b"TTL", b"a"),
        (b"SET", b"a", b"1", b"EX", b"9000"),
        (b"TTL", b"a"),
        (b"PERSIST", b"a"),
        (b"TTL", b"a"),
        (b"INCR", b"new"),
        (b"TTL", b"new"),
        (b"SET", b"a", b"2", b"EX", b"50"),
        (b"SET", b"a", b"3", b"KEEPTTL"),
        (b"TTL", b"a"),
    )
    redis.drop()
    assert found is not None
    assert [found[place] for place in (1, 3, 5, 7, 10)] == [500, 600, 600, 500, 50]


def test_lives_are_spread(named: RunningSidecar) -> None:
    """So that what was put together does not expire together; none is longer than stated."""
    lives = [put(named, f"spread/{number}") for number in range(100)]
    assert 490 <= min(lives) < 600
    assert 900 < max(lives) <= 999
    lives = [put(named, "spread/a", "?ttl=100") for _ in range(100)]
    assert 45 <= min(lives) < 70
    assert max(lives) <= 99


def test_a_counter_keeps_its_life(named: RunningSidecar) -> None:
    """Jitter shortens it once, and not with every step."""
    left = put(named, "spread/count")
    for _ in range(50):
        assert named.ask("POST", "/v1/cache/spread/count").status == 200
    assert left - 3 <= left_in(named.ask("GET", "/v1/cache/spread/count").headers) <= left


def test_values_of_a_namespace_are_served_stale(named: RunningSidecar) -> None:
    """Unless a put states otherwise."""
    path = "/v1/cache/img-small/a"
    put(named, "img-small/a", "?ttl=0.1", **{"Cache-Tag": "red"})
    let_expire(named, path)
    assert named.ask("GET", path).headers["Cache-Groups"] == '"red"'
    fields = {"Cache-Control": "stale-if-error=100"}
    named.ask("PUT", f"{path}?ttl=0.1", b"v", fields)
    wait_until(lambda: named.ask("GET", path).status == 404, "it is no answer for others")
    assert named.ask("GET", path, None, {"Cache-Control": "max-stale"}).status == 200


def test_a_value_is_refreshed_before_its_life_ends(named: RunningSidecar) -> None:
    """By one of those who read it with a lease, while it is fresh."""
    path = "/v1/cache/early/a"
    put(named, "early/a")
    assert "Cache-Lease" not in named.ask("GET", f"{path}?lease=5").headers
    time.sleep(1.2)
    first, second = named.ask("GET", f"{path}?lease=5"), named.ask("GET", f"{path}?lease=5")
    assert left_in(first.headers) >= 1
    assert "Cache-Lease" in first.headers
    assert "Cache-Lease" not in second.headers


def test_an_edit_applies_to_what_is_put_later(named: RunningSidecar, tmp_path: Path) -> None:
    put(named, "sessions/a")
    folder = tmp_path / "config"
    (folder / "cache.yaml").write_text("namespaces: {sessions: {default_ttl: 7s}}\n")
    wait_until(lambda: put(named, "sessions/b") in {6, 5}, "the edit is in force")
    assert left_in(named.ask("GET", "/v1/cache/sessions/a").headers) > 800


BAD = [
    ("namespaces: {a b: {}}", 'namespaces."a b"', "no namespace"),
    ("namespaces: {'*x': {}}", 'namespaces."*x"', "no namespace"),
    ("namespaces: {a: {ttl: 5s}}", "namespaces.a.ttl", "unknown key"),
    ("namespaces: {a: {max_age: 5s}}", "namespaces.a", "sliding: true too"),
    ("namespaces: {a: {jitter: 200%}}", "namespaces.a.jitter", "100%"),
    ("namespaces: {a: {max_ttl: never}}", "namespaces.a.max_ttl", "duration"),
    ("namespaces: {a: 5}", "namespaces.a", "not a mapping"),
    ("namespaces: [a]", "namespaces", "not a mapping"),
    ("namespaces: {" + ",".join(f"n{n}: {{}}" for n in range(101)) + "}", "namespaces", "100"),
]


@pytest.mark.parametrize(("text", "path", "sentence"), BAD)
def test_bad_settings_are_rejected(
    named: RunningSidecar, tmp_path: Path, text: str, path: str, sentence: str
) -> None:
    """With the field and what to do; those in force stay."""
    (tmp_path / "config" / "cache.yaml").write_text(text)

    def rejected() -> object:
        return json.loads(named.ask("GET", "/v1/config").body)["rejected"]

    wait_until(rejected, "it is rejected")
    [error] = json.loads(named.ask("GET", "/v1/config").body)["rejected"]["errors"]
    assert f" {path}: " in error
    assert sentence in error
    assert put(named, "sessions/a") in {899, 898}
    problem(named.ask("GET", "/v1/cache/sessions/none"), 404)
