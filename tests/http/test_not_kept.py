"""No answer may be kept by a cache of the client without asking again: others change entries."""

from __future__ import annotations

import json

import pytest

from sidecar.http.routes import DATA, OPS
from tests.http.test_parameters import VALUES, concrete
from tests.running import Answer, RunningSidecar

PATH = "/v1/cache/test/key"
SAFE = {"GET", "HEAD"}
CALLS = {(method, concrete(route.path)) for route in DATA for method in (route.method, "HEAD")}
PROBES = [concrete(route.path) for route in OPS]
QUERIES = {
    "/v1/keys": "?namespace=test",
    "/v1/signals": f"?names={VALUES['names']}",
}


def has_to_ask_again(answer: Answer) -> bool:
    """Without the field, caches keep what they like (RFC 9111, section 4.2.2)."""
    return answer.headers.get("Cache-Control") in {"no-cache", "no-store"}


@pytest.mark.parametrize(("method", "path"), sorted(CALLS))
def test_what_is_read_and_every_error_has_to_be_asked_for_again(
    sidecar: RunningSidecar, method: str, path: str
) -> None:
    """With a hit and without, with a parameter that there is not, and by another method."""
    for query in (QUERIES.get(path, ""), "?colour=red"):
        answer = sidecar.ask(method, path + query)
        assert has_to_ask_again(answer) or (method not in SAFE and answer.status < 300), answer
    assert has_to_ask_again(sidecar.ask("OPTIONS", path))


def test_a_hit_is_asked_for_again_and_a_miss_is_not_kept(sidecar: RunningSidecar) -> None:
    """A 304 and a 412 too: otherwise a 404 would outlive the next PUT."""
    assert sidecar.ask("GET", PATH).headers["Cache-Control"] == "no-store"
    tag = sidecar.ask("PUT", PATH, b"v").headers["ETag"]
    for fields in ({}, {"If-None-Match": tag}, {"If-Match": '"0"'}):
        assert has_to_ask_again(sidecar.ask("GET", PATH, headers=fields))
    sidecar.ask("DELETE", PATH)
    assert sidecar.ask("HEAD", PATH).headers["Cache-Control"] == "no-store"
    keys = json.dumps({"namespace": "test", "keys": ["key"]}).encode()
    for call in ("mget", "mdelete"):
        assert has_to_ask_again(sidecar.ask("POST", f"/v1/{call}", keys))


@pytest.mark.parametrize("path", [*PROBES, "/nothing"])
def test_no_probe_is_kept(sidecar: RunningSidecar, path: str) -> None:
    assert has_to_ask_again(sidecar.ops(path))
