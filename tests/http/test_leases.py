"""Leases over HTTP: one loads a missing value, the others wait, and no old value comes back."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from http.client import HTTPConnection

import aiohttp
import pytest

from tests.running import RunningSidecar, problem

PATH = "/v1/cache/test/key"
LEASED = f"{PATH}?lease=30"
WAITING = f"{LEASED}&wait=20"


def take(sidecar: RunningSidecar, path: str = LEASED) -> str:
    """The token of a lease that is free."""
    answer = sidecar.ask("GET", path)
    problem(answer, 404)
    return answer.headers["Cache-Lease"]


def put(
    sidecar: RunningSidecar,
    token: str,
    value: bytes = b"v",
    fields: dict[str, str] | None = None,
) -> int:
    headers = {"Cache-Lease": token, **(fields or {})}
    return sidecar.ask("PUT", PATH, value, headers).status


def test_one_gets_the_lease(sidecar: RunningSidecar) -> None:
    """Until the value is put, which ends it; a hit has none."""
    token = take(sidecar)
    other = sidecar.ask("GET", LEASED)
    problem(other, 404)
    assert "Cache-Lease" not in other.headers
    assert "Cache-Lease" not in sidecar.ask("GET", PATH).headers
    assert take(sidecar, "/v1/cache/test/other?lease=5") != token
    assert put(sidecar, token) == 201
    assert put(sidecar, token) == 412
    hit = sidecar.ask("GET", LEASED)
    assert hit.body == b"v"
    assert "Cache-Lease" not in hit.headers


WRITES = {
    "delete": ("DELETE", PATH, None),
    "put": ("PUT", PATH, b"newer"),
    "touch": ("PATCH", f"{PATH}?ttl=5", None),
    "prefix": ("POST", "/v1/invalidate", {"namespace": "test", "prefix": "k"}),
    "all": ("POST", "/v1/invalidate", {"namespace": "test", "all": True}),
    "tag": ("POST", "/v1/invalidate", {"namespace": "test", "tags": ["red"]}),
}


@pytest.mark.parametrize("write", [name for name in WRITES if name != "touch"])
def test_a_write_takes_the_lease_away(sidecar: RunningSidecar, write: str) -> None:
    """What was loaded before it is refused, and whoever asks next gets the next lease."""
    token = take(sidecar)
    method, path, body = WRITES[write]
    sent = json.dumps(body).encode() if isinstance(body, dict) else body
    sidecar.ask(method, path, sent)
    assert put(sidecar, token, b"old", {"Cache-Tag": "red"}) == 412
    if write == "put":
        assert sidecar.ask("GET", PATH).body == b"newer"
    else:
        assert put(sidecar, take(sidecar)) == 201


def test_an_invalidation_of_another_tag_leaves_it(sidecar: RunningSidecar) -> None:
    token = take(sidecar)
    body = json.dumps({"namespace": "test", "tags": ["blue"]}).encode()
    assert sidecar.ask("POST", "/v1/invalidate", body).status == 204
    assert put(sidecar, token, fields={"Cache-Tag": "red"}) == 201


def test_a_stale_value_is_given_at_once(sidecar: RunningSidecar) -> None:
    """To the one with the lease, who refreshes it, and to the others, who do not wait."""
    grace = {"Cache-Control": "stale-while-revalidate=100"}
    sidecar.ask("PUT", f"{PATH}?ttl=0.1", b"old", grace)
    time.sleep(0.2)
    first, second = sidecar.ask("GET", WAITING), sidecar.ask("GET", WAITING)
    assert first.body == second.body == b"old"
    assert "Cache-Lease" not in second.headers
    assert put(sidecar, first.headers["Cache-Lease"], b"new") == 204
    assert sidecar.ask("GET", LEASED).body == b"new"


def test_a_lease_runs_out(sidecar: RunningSidecar) -> None:
    """The next one gets it, and what the first has loaded is refused."""
    token = take(sidecar, f"{PATH}?lease=0.3")
    began = time.monotonic()
    second = sidecar.ask("GET", WAITING)
    assert time.monotonic() - began >= 0.2
    assert put(sidecar, token, b"late") == 412
    assert put(sidecar, second.headers["Cache-Lease"]) == 201


def test_a_bound_lease_ends_with_its_connection(sidecar: RunningSidecar) -> None:
    """One that is not bound does not."""
    for bound in ("true", "false"):
        path = f"/v1/cache/test/{bound}"
        connection = HTTPConnection("127.0.0.1", sidecar.port)
        connection.request("GET", f"{path}?lease=30&bound={bound}")
        assert connection.getresponse().headers["Cache-Lease"]
        connection.close()
        answer = sidecar.ask("GET", f"{path}?lease=30&wait={5 if bound == 'true' else 0.3}")
        assert ("Cache-Lease" in answer.headers) == (bound == "true")


async def many(
    sidecar: RunningSidecar, count: int, load_seconds: float, *, dies: bool
) -> tuple[Counter[tuple[int, bytes]], int]:
    """What so many clients get who ask at once, each of whom loads the value if it gets the lease;
    and the number of those. With `dies` the first one does not put it.
    """
    loads = 0
    url = f"http://127.0.0.1:{sidecar.port}{PATH}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client() -> tuple[int, bytes]:
            nonlocal loads
            while True:
                async with session.get(f"{url}?lease=1&wait=20") as answer:
                    token, got = answer.headers.get("Cache-Lease"), await answer.read()
                if answer.status != 503:
                    break
                await asyncio.sleep(0.2)  # the machine is busy, and this one came too late
            if token is None:
                return answer.status, got
            loads += 1
            if dies and loads == 1:
                return 0, b"died"
            await asyncio.sleep(load_seconds)
            async with session.put(url, data=b"loaded", headers={"Cache-Lease": token}) as stored:
                return stored.status, b"put"

        answers = await asyncio.gather(*(client() for _ in range(count)))
    return Counter(answers), loads


@pytest.mark.parametrize("dies", [False, True])
async def test_a_thousand_clients_load_once(sidecar: RunningSidecar, *, dies: bool) -> None:
    """Also if the holder dies: then the next one loads it when the lease has run out."""
    answers, loads = await many(sidecar, 1000, 0.2, dies=dies)
    assert loads == 1 + dies
    expected = Counter({(200, b"loaded"): 999 - dies, (201, b"put"): 1})
    if dies:
        expected[0, b"died"] = 1
    assert answers == expected


def test_a_wait_that_ends_in_vain_is_a_miss(sidecar: RunningSidecar) -> None:
    take(sidecar)
    answer = sidecar.ask("GET", f"{LEASED}&wait=0.2")
    problem(answer, 404)
    assert "Cache-Lease" not in answer.headers


def test_a_lease_may_be_conditional(sidecar: RunningSidecar) -> None:
    """The condition comes first, and leaves the lease."""
    token = take(sidecar)
    assert put(sidecar, token, fields={"If-Match": '"0"'}) == 412
    assert put(sidecar, token, fields={"If-None-Match": "*"}) == 201


def test_a_restart_ends_all_leases(sidecar: RunningSidecar) -> None:
    token = take(sidecar)
    sidecar.kill_both()
    sidecar.start()
    assert put(sidecar, token) == 412


BAD = [
    ("?lease=0", "has run out"),
    ("?lease=-1", "lease takes seconds from 0 to 300"),
    ("?lease=31536000", "lease takes seconds from 0 to 300"),
    ("?lease=never", "lease takes seconds"),
    ("?lease=x", "lease takes seconds"),
    ("?lease=5&wait=61", "wait takes seconds from 0 to 60"),
    ("?wait=5", "send lease=10 too"),
    ("?bound=true", "send lease=10 too"),
    ("?lease=5&lease=6", "sent twice"),
]


@pytest.mark.parametrize(("query", "sentence"), BAD)
def test_a_bad_lease_is_refused(sidecar: RunningSidecar, query: str, sentence: str) -> None:
    assert sentence in problem(sidecar.ask("GET", PATH + query), 400)


@pytest.mark.parametrize("token", ["", "x", "a" * 4000, "\xff\xfe", '"quoted"'])
def test_a_forged_or_foreign_token_is_refused(sidecar: RunningSidecar, token: str) -> None:
    """And the lease stays with its holder."""
    own = take(sidecar)
    foreign = take(sidecar, "/v1/cache/test/other?lease=5")
    for wrong in (token, foreign):
        assert "lease is not held" in problem(
            sidecar.ask("PUT", PATH, b"v", {"Cache-Lease": wrong}), 412
        )
    assert put(sidecar, own) == 201


def test_leases_are_bounded(sidecar: RunningSidecar) -> None:
    """Beyond the bound nobody gets one, until some have ended."""
    connection = HTTPConnection("127.0.0.1", sidecar.port)
    statuses: Counter[int] = Counter()
    for number in range(4200):
        connection.request("GET", f"/v1/cache/test/{number}?lease=1")
        answer = connection.getresponse()
        answer.read()
        statuses[answer.status] += 1
    assert statuses[404] >= 4096
    time.sleep(1.0)
    take(sidecar)
    connection.close()
