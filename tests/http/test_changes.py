"""Changes of an entry that depend on what it is: another life, a counter, a value taken away."""

from __future__ import annotations

import json
import threading

import pytest

from tests.chaos.redis import Redis, over_tcp
from tests.running import RunningSidecar, life_left, problem

PATH = "/v1/cache/test/key"
TAKE = {"Prefer": "return=representation"}
MOST = (1 << 63) - 1


# ---- another life


def test_a_touch_gives_an_entry_another_life(sidecar: RunningSidecar) -> None:
    """Its value and its type stay; it is another version."""
    ask = sidecar.ask
    put = ask("PUT", f"{PATH}?ttl=60", b"value", {"Content-Type": "image/x"})
    touched = ask("PATCH", f"{PATH}?ttl=1000")
    assert (touched.status, touched.body) == (204, b"")
    assert touched.headers["ETag"] != put.headers["ETag"]
    got = ask("GET", PATH)
    assert (got.body, got.headers["Content-Type"]) == (b"value", "image/x")
    assert got.headers["ETag"] == touched.headers["ETag"]
    assert life_left(got.headers) in {999, 998}
    assert ask("PATCH", PATH, None, {"Cache-Control": "max-age=50"}).status == 204
    assert life_left(ask("GET", PATH).headers) in {49, 48}
    assert ask("PATCH", PATH).status == 204
    assert life_left(ask("GET", PATH).headers) in {3599, 3598}
    assert ask("PATCH", f"{PATH}?ttl=never").status == 204
    assert "ttl" not in ask("GET", PATH).headers["Cache-Status"]
    assert ask("PATCH", f"{PATH}?ttl=0").status == 204
    problem(ask("GET", PATH), 404)


def test_a_touch_is_conditional(sidecar: RunningSidecar) -> None:
    ask = sidecar.ask
    problem(ask("PATCH", PATH, None, {"If-Match": "*"}), 404)
    tag = ask("PUT", PATH, b"v").headers["ETag"]
    problem(ask("PATCH", f"{PATH}?ttl=5", None, {"If-Match": '"0"'}), 412)
    assert life_left(ask("GET", PATH).headers) > 5
    assert ask("PATCH", f"{PATH}?ttl=5", None, {"If-Match": tag}).status == 204


def test_what_is_not_in_memory_can_be_touched(sidecar: RunningSidecar) -> None:
    """L3 has the value alone."""
    sidecar.ask("PUT", f"{PATH}?ttl=60", b"value")
    for number in range(1200):
        sidecar.ask("PUT", f"/v1/cache/others/{number}", b"x")
    assert sidecar.ask("PATCH", f"{PATH}?ttl=1000").status == 204
    got = sidecar.ask("GET", PATH)
    assert got.body == b"value"
    assert life_left(got.headers) > 900


@pytest.mark.parametrize(
    ("query", "said"),
    [("ttl=keep", "ttl takes seconds"), ("ttl=x", "ttl takes seconds"), ("by=1", "no parameter")],
)
def test_a_touch_that_states_no_life_is_refused(
    sidecar: RunningSidecar, query: str, said: str
) -> None:
    sidecar.ask("PUT", PATH, b"v")
    assert said in problem(sidecar.ask("PATCH", f"{PATH}?{query}"), 400)


def test_a_value_may_keep_the_life_of_the_one_that_it_replaces(sidecar: RunningSidecar) -> None:
    """In a batch, too. Without an entry, it has the default."""
    ask = sidecar.ask
    assert ask("PUT", f"{PATH}?ttl=keep", b"1").status == 201
    assert life_left(ask("GET", PATH).headers) > 3000
    ask("PUT", f"{PATH}?ttl=60", b"2")
    assert ask("PUT", f"{PATH}?ttl=keep", b"3", {"Content-Type": "image/x"}).status == 204
    got = ask("GET", PATH)
    assert (got.body, got.headers["Content-Type"]) == (b"3", "image/x")
    assert life_left(got.headers) <= 60
    entries = [{"key": "key", "value": "4", "ttl": "keep"}, {"key": "new", "value": "5"}]
    body = json.dumps({"namespace": "test", "entries": entries}).encode()
    told = json.loads(ask("POST", "/v1/mset", body).body)["entries"]
    assert [each["status"] for each in told] == [204, 201]
    assert life_left(ask("GET", PATH).headers) <= 60
    assert life_left(ask("GET", "/v1/cache/test/new").headers) > 3000


# ---- counters


def test_a_counter_counts(sidecar: RunningSidecar) -> None:
    """It is created with a life, which it keeps."""
    ask = sidecar.ask
    first = ask("POST", f"{PATH}?ttl=60")
    assert (first.status, first.body) == (201, b"1")
    assert first.headers["Content-Type"] == "text/plain"
    second = ask("POST", f"{PATH}?by=41&ttl=1000")
    assert (second.status, second.body) == (200, b"42")
    got = ask("GET", PATH)
    assert (got.body, got.headers["ETag"]) == (b"42", second.headers["ETag"])
    assert life_left(got.headers) <= 60
    assert ask("POST", f"{PATH}?by=-50").body == b"-8"
    assert ask("POST", f"{PATH}?by=0").body == b"-8"
    other = "/v1/cache/test/other"
    assert ask("POST", f"{other}?by=-1&initial=100").body == b"99"


def test_a_counter_may_be_one_that_was_put(sidecar: RunningSidecar) -> None:
    """With the type and the life that it was put with."""
    sidecar.ask("PUT", f"{PATH}?ttl=60", b"10", {"Content-Type": "application/json"})
    counted = sidecar.ask("POST", PATH)
    assert (counted.body, counted.headers["Content-Type"]) == (b"11", "application/json")
    assert life_left(sidecar.ask("GET", PATH).headers) <= 60


@pytest.mark.parametrize(
    "value",
    [b"", b"x", b"1.5", b"01", b"+1", b" 1", b"1\n", b"9223372036854775808", b"1" * 5000, b"-"],
)
def test_what_is_no_number_is_not_counted(sidecar: RunningSidecar, value: bytes) -> None:
    sidecar.ask("PUT", PATH, value)
    assert "no integer of 64 bits" in problem(sidecar.ask("POST", PATH), 409)
    assert sidecar.ask("GET", PATH).body == value


def test_a_counter_stays_within_its_bounds(sidecar: RunningSidecar) -> None:
    """Of 64 bits, or those that are stated; a step that would leave them changes nothing."""
    ask = sidecar.ask
    for value, by in ((MOST, 1), (-MOST - 1, -1), (MOST, MOST), (5, MOST)):
        ask("PUT", PATH, b"%d" % value)
        assert "Nothing was changed" in problem(ask("POST", f"{PATH}?by={by}"), 409)
        assert ask("GET", PATH).body == b"%d" % value
    ask("PUT", PATH, b"9")
    assert ask("POST", f"{PATH}?max=10").body == b"10"
    problem(ask("POST", f"{PATH}?max=10"), 409)
    problem(ask("POST", f"{PATH}?by=-11&min=0"), 409)
    assert ask("POST", f"{PATH}?by=-10&min=0").body == b"0"
    absent = "/v1/cache/test/absent"
    problem(ask("POST", f"{absent}?max=0"), 409)
    problem(ask("GET", absent), 404)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        *((f"by={by}", "whole numbers") for by in ("", "x", "1.5", "1e3", "+1", "01", "%ff")),
        *((f"by={by}", "whole numbers") for by in (MOST + 1, -MOST - 2, "9" * 5000)),
        ("min=2&max=1", "min is more than max"),
        ("by=1&by=2", "sent twice"),
        ("ttl=keep", "ttl takes seconds"),
        ("step=1", "no parameter"),
    ],
)
def test_a_step_that_is_none_is_refused(sidecar: RunningSidecar, query: str, said: str) -> None:
    assert said in problem(sidecar.ask("POST", f"{PATH}?{query}"), 400)
    problem(sidecar.ask("GET", PATH), 404)


@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_a_body_would_be_ignored_and_so_is_refused(sidecar: RunningSidecar, method: str) -> None:
    """`curl -d by=5` sends one. An empty one is none."""
    sidecar.ask("PUT", PATH, b"1")
    assert "takes no body" in problem(sidecar.ask(method, PATH, b"by=5"), 400)
    assert sidecar.ask("GET", PATH).body == b"1"
    assert sidecar.ask(method, PATH, b"").status in {200, 204}


def test_clients_that_count_at_once_lose_no_step(sidecar: RunningSidecar) -> None:
    """Nor do those of both protocols, or those that replace a version by its ETag."""
    resp = Redis(over_tcp(sidecar.resp_port), "test")

    def count() -> None:
        for _ in range(100):
            assert sidecar.ask("POST", PATH).status in {200, 201}

    def replace() -> None:
        done = 0
        while done < 100:
            got = sidecar.ask("GET", PATH)
            if got.status != 200:
                continue
            more, tag = b"%d" % (int(got.body) + 1), {"If-Match": got.headers["ETag"]}
            done += sidecar.ask("PUT", PATH, more, tag).status == 204

    threads = [threading.Thread(target=each) for each in (count, count, replace)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        resp.ask([b"INCR", b"key"])
    for thread in threads:
        thread.join()
    resp.drop()
    assert sidecar.ask("GET", PATH).body == b"400"


# ---- a value that is taken away


def test_a_deletion_may_return_what_it_removes(sidecar: RunningSidecar) -> None:
    """With the fields of a GET."""
    ask = sidecar.ask
    problem(ask("DELETE", PATH, None, TAKE), 404)
    put = ask("PUT", f"{PATH}?ttl=60", b"value", {"Content-Type": "image/x"})
    taken = ask("DELETE", PATH, None, TAKE)
    assert (taken.status, taken.body) == (200, b"value")
    assert taken.headers["Preference-Applied"] == "return=representation"
    assert taken.headers["Content-Type"] == "image/x"
    assert taken.headers["ETag"] == put.headers["ETag"]
    assert life_left(taken.headers) in {59, 58}
    problem(ask("GET", PATH), 404)
    problem(ask("DELETE", PATH, None, TAKE), 404)


@pytest.mark.parametrize(
    ("prefer", "status"),
    [
        ("return=representation", 200),
        ("respond-async, Return=Representation; a=b", 200),
        ('return = "representation"', 200),
        ("return=minimal", 204),
        ("return", 204),
        ("xreturn=representation", 204),
        ("", 204),
        (",,;=", 204),
    ],
)
def test_what_is_not_that_preference_is_ignored(
    sidecar: RunningSidecar, prefer: str, status: int
) -> None:
    """As RFC 7240 has it."""
    sidecar.ask("PUT", PATH, b"v")
    assert sidecar.ask("DELETE", PATH, None, {"Prefer": prefer}).status == status
    problem(sidecar.ask("GET", PATH), 404)


def test_a_value_is_taken_once(sidecar: RunningSidecar) -> None:
    """However many ask for it at once, large or small, from memory or from L3."""
    for size in (10, 9_000, 2_000_000):
        value = b"words " * (size // 6)
        sidecar.ask("PUT", PATH, value)
        if size == 9_000:
            for number in range(1200):
                sidecar.ask("PUT", f"/v1/cache/others/{number}", b"x")
        statuses: list[int] = []

        def take(expected: bytes = value, told: list[int] = statuses) -> None:
            taken = sidecar.ask("DELETE", PATH, None, TAKE)
            told.append(taken.status)
            assert taken.status == 404 or taken.body == expected

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [200] + [404] * 7
