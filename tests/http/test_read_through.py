"""Namespaces that read through to an origin, over HTTP."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.http.origin import Answer, Origin, config, configured
from tests.http.test_stale import left_in
from tests.running import RunningSidecar, problem, wait_until

PATH = "/v1/cache/items/key"


def test_a_miss_is_fetched_and_stored(through: RunningSidecar, origin: Origin) -> None:
    """With the response's type and life; the next read is a hit, also after a restart."""
    first = through.ask("GET", PATH)
    assert (first.status, first.body) == (200, b"/items/key")
    assert first.headers["Content-Type"] == "text/plain"
    status = first.headers["Cache-Status"]
    assert "fwd=miss; fwd-status=200; stored; ttl=59" in status
    second = through.ask("GET", PATH)
    assert "; hit; ttl=" in second.headers["Cache-Status"]
    assert second.headers["ETag"] == first.headers["ETag"]
    wait_until(lambda: through.ask("HEAD", PATH).status == 200, "it answers")
    through.kill_both()
    through.start()
    assert through.ask("GET", PATH).body == b"/items/key"
    assert origin.asked == {"/items/key": 1}
    [sent] = origin.fields
    assert sent["Accept-Encoding"] == "identity"
    problem(through.ask("GET", "/v1/cache/other/key"), 404)


def test_a_thousand_clients_fetch_once(through: RunningSidecar, origin: Origin) -> None:
    """All are answered with the one response."""
    origin.seconds = 0.2

    async def ask() -> Counter[tuple[int, bytes]]:
        url = f"http://127.0.0.1:{through.port}{PATH}"
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def client() -> tuple[int, bytes]:
                while True:
                    async with session.get(url) as answer:
                        got = answer.status, await answer.read()
                    if got[0] != 503:
                        return got
                    await asyncio.sleep(0.2)  # the machine is busy, and this one came too late

            return Counter(await asyncio.gather(*(client() for _ in range(1000))))

    assert asyncio.run(ask()) == {(200, b"/items/key"): 1000}
    assert origin.asked == {"/items/key": 1}


def test_an_origin_that_fails_every_second_time(through: RunningSidecar, origin: Origin) -> None:
    """Its failures are answered with 502 and are not stored."""
    turns = itertools.count()

    def answer(path: str, _: dict[str, str]) -> Answer:
        return (500, {}, b"broken") if next(turns) % 2 == 0 else (200, {}, path.encode())

    origin.answer = answer
    statuses = [through.ask("GET", f"{PATH}{n}").status for n in range(10) for _ in range(2)]
    assert statuses == [502, 200] * 10


def test_an_unchanged_value_is_revalidated(through: RunningSidecar, origin: Origin) -> None:
    """With its ETag and date; a 304 gives it a new life."""

    def answer(_: str, fields: dict[str, str]) -> Answer:
        life = {"Cache-Control": "max-age=1", "ETag": '"v1"'}
        if fields.get("If-None-Match") == '"v1"':
            return 304, life | {"Cache-Control": "max-age=50"}, b""
        return 200, life, b"value"

    origin.answer = answer
    assert through.ask("GET", PATH).body == b"value"
    time.sleep(1.2)
    again = through.ask("GET", PATH)
    assert again.body == b"value"
    assert left_in(again.headers) in {49, 48}
    assert origin.asked == {"/items/key": 2}


def test_a_request_may_ask_for_revalidation(through: RunningSidecar, origin: Origin) -> None:
    through.ask("GET", PATH)
    origin.answers(200, b"newer")
    assert through.ask("GET", PATH).body == b"/items/key"
    assert through.ask("GET", PATH, None, {"Cache-Control": "no-cache"}).body == b"newer"
    assert through.ask("GET", PATH).body == b"newer"


def test_only_if_cached_asks_no_origin(through: RunningSidecar, origin: Origin) -> None:
    only = {"Cache-Control": "only-if-cached"}
    problem(through.ask("GET", PATH, None, only), 504)
    assert not origin.asked
    through.ask("GET", PATH)
    assert through.ask("GET", PATH, None, only).status == 200


def test_a_stale_value_is_given_while_it_is_fetched(
    through: RunningSidecar, origin: Origin
) -> None:
    origin.answers(200, b"old", Cache_Control="max-age=1, stale-while-revalidate=60")
    through.ask("GET", PATH)
    time.sleep(1.2)
    origin.answers(200, b"new")
    origin.seconds = 0.3
    stale = through.ask("GET", PATH)
    assert (stale.body, left_in(stale.headers) < 0) == (b"old", True)
    wait_until(lambda: through.ask("GET", PATH).body == b"new", "it has been fetched")
    assert origin.asked == {"/items/key": 2}


def test_a_value_is_fetched_before_its_life_ends(
    through: RunningSidecar, origin: Origin, tmp_path: Path
) -> None:
    """Nobody waits for it."""
    text = configured(origin, "", ", refresh_early: 75%")
    (tmp_path / "config" / "cache.yaml").write_text(text)
    wait_until(lambda: '"refresh_early":0.75' in config(through), "it is in force")
    origin.answers(200, b"old", Cache_Control="max-age=4")
    through.ask("GET", PATH)
    origin.answers(200, b"new", Cache_Control="max-age=100")
    assert through.ask("GET", PATH).body == b"old"
    time.sleep(1.2)
    due = through.ask("GET", PATH)
    assert (due.body, left_in(due.headers) >= 1) == (b"old", True)
    wait_until(lambda: through.ask("GET", PATH).body == b"new", "it has been fetched")
    assert origin.asked == {"/items/key": 2}


def test_a_soft_timeout_waits_for_a_fast_origin(
    through: RunningSidecar, origin: Origin, tmp_path: Path
) -> None:
    """Past it the stale value is given, and the fetch goes on."""
    text = configured(origin, ", soft_timeout: 400ms", ", stale_while_revalidate: 60s")
    (tmp_path / "config" / "cache.yaml").write_text(text)
    wait_until(lambda: 'soft_timeout_seconds":0.4' in config(through), "it is in force")
    for seconds, expected in ((0.0, b"fast"), (1.0, b"fast")):
        origin.answers(200, expected, Cache_Control="max-age=1")
        origin.seconds = seconds
        if not seconds:
            through.ask("GET", PATH)
        time.sleep(1.2)
        assert through.ask("GET", PATH).body == expected
    origin.answers(200, b"slow", Cache_Control="max-age=100")
    wait_until(lambda: through.ask("GET", PATH).body == b"slow", "the fetch went on")


def test_after_an_error_a_stale_value_is_given(through: RunningSidecar, origin: Origin) -> None:
    """If `stale-if-error` allows it; `must-revalidate` does not."""
    origin.answers(200, b"kept", Cache_Control="max-age=1, stale-if-error=60")
    through.ask("GET", PATH)
    origin.answers(200, b"strict", Cache_Control="max-age=1, stale-if-error=60, must-revalidate")
    through.ask("GET", f"{PATH}/strict")
    origin.answers(503)
    time.sleep(1.2)
    assert through.ask("GET", PATH).body == b"kept"
    problem(through.ask("GET", f"{PATH}/strict"), 502)


@pytest.mark.parametrize("status", [404, 410])
def test_that_there_is_none_is_remembered(
    through: RunningSidecar, origin: Origin, status: int
) -> None:
    """For `negative_ttl`, or until the key is written or invalidated."""
    origin.answers(status)
    for _ in range(3):
        answer = through.ask("GET", PATH)
        problem(answer, 404)
    assert f"fwd-status={status}" in answer.headers["Cache-Status"]
    assert origin.asked == {"/items/key": 1}
    through.ask("DELETE", PATH)
    problem(through.ask("GET", PATH), 404)
    assert origin.asked == {"/items/key": 2}
    origin.answers(200, b"now")
    wait_until(lambda: through.ask("GET", PATH).body == b"now", "it is asked for again")


@pytest.mark.parametrize(
    "fields",
    [
        {"Cache-Control": "no-store"},
        {"Cache-Control": "private, max-age=60"},
        {"Vary": "Cookie"},
        {"Vary": "*"},
    ],
)
def test_what_may_not_be_stored_passes(
    through: RunningSidecar, origin: Origin, fields: dict[str, str]
) -> None:
    """Each caller gets a response of its own."""
    numbers = itertools.count()
    origin.answer = lambda *_: (200, fields, b"%d" % next(numbers))
    got = {through.ask("GET", PATH).body for _ in range(3)}
    assert got == {b"0", b"1", b"2"}
    assert b'"key":"key"' not in through.ask("GET", "/v1/keys?namespace=items").body


def test_other_errors_of_the_origin_pass(through: RunningSidecar, origin: Origin) -> None:
    origin.answers(403, b"no", Content_Type="text/plain")
    answer = through.ask("GET", PATH)
    assert (answer.status, answer.body) == (403, b"no")
    assert "no-store" in answer.headers["Cache-Control"]


def test_what_is_written_meanwhile_wins(through: RunningSidecar, origin: Origin) -> None:
    """An invalidation during a fetch has it made again: what it brings may be older."""
    origin.answers(200, b"old", Cache_Control="max-age=60")
    origin.seconds = 0.5

    async def ask() -> bytes:
        url = f"http://127.0.0.1:{through.port}"
        async with aiohttp.ClientSession() as session:
            get = asyncio.create_task(session.get(url + PATH))
            await asyncio.to_thread(
                wait_until, lambda: origin.asked["/items/key"] == 1, "it is asked for"
            )
            origin.answers(200, b"new", Cache_Control="max-age=60")
            async with session.delete(url + PATH) as deleted:
                assert deleted.status in {204, 404}
            async with await get as answer:
                return await answer.read()

    assert asyncio.run(ask()) == b"new"
    assert through.ask("GET", PATH).body == b"new"


def test_many_keys_are_fetched_in_one_call(through: RunningSidecar, origin: Origin) -> None:
    """What the origin does not have is missing."""

    def answer(path: str, _: dict[str, str]) -> Answer:
        return (404, {}, b"") if path.endswith("3") else (200, {}, path.encode())

    origin.answer = answer
    keys = [f"key{number}" for number in range(100)]
    body = json.dumps({"namespace": "items", "keys": keys}).encode()
    found = json.loads(through.ask("POST", "/v1/mget", body).body)
    assert found["missing"] == [key for key in keys if key.endswith("3")]
    assert found["entries"][7]["value"] == "/items/key8"
    assert max(origin.asked.values()) == 1


def test_an_origin_that_is_away(through: RunningSidecar, origin: Origin, tmp_path: Path) -> None:
    """After some failures it is not asked for a while, which says when to come again."""
    text = 'namespaces: {items: {origin: {url: "http://127.0.0.1:9/{key}"}}}'
    (tmp_path / "config" / "cache.yaml").write_text(text)
    wait_until(lambda: "127.0.0.1:9" in config(through), "it is in force")
    statuses = [through.ask("GET", f"{PATH}{number}").status for number in range(20)]
    assert statuses[0] == 502
    assert statuses[-1] == 503
    answer = through.ask("GET", PATH)
    assert int(answer.headers["Retry-After"]) >= 1
    metrics = through.ops("/metrics").body.decode()
    assert re.search(r'origin_fetches_total{result="failed"} [1-9]', metrics)
    assert "origins_broken 1.0" in metrics


def test_a_slow_origin_is_given_up(through: RunningSidecar, origin: Origin) -> None:
    origin.seconds = 3.0
    problem(through.ask("GET", PATH), 504)
