"""Batches, invalidation, listing, and the ops API."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import StartSidecar
from tests.running import RunningSidecar, problem

JSON = {"Content-Type": "application/json"}
MESSAGEPACK = {"Content-Type": "application/msgpack"}


def post(sidecar: RunningSidecar, path: str, body: Any) -> Any:
    answer = sidecar.ask("POST", path, json.dumps(body).encode(), JSON)
    assert answer.status in (200, 204), answer.body
    return json.loads(answer.body) if answer.body else None


def refused(sidecar: RunningSidecar, path: str, body: bytes, headers: dict[str, str]) -> str:
    answer = sidecar.ask("POST", path, body, headers)
    assert answer.status in (400, 413, 415), answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    return str(json.loads(answer.body)["detail"])


def test_many_keys_in_json(sidecar: RunningSidecar) -> None:
    """Set, get and delete three keys, one of which is not text."""
    entries = [
        {"key": "a", "value": "1", "content_type": "text/plain", "ttl": 60},
        {"key": "b", "value": "/wA=", "encoding": "base64", "ttl": "never"},
    ]
    put = post(sidecar, "/v1/mset", {"namespace": "test", "entries": entries})
    assert [entry["status"] for entry in put["entries"]] == [201, 201]
    got = post(sidecar, "/v1/mget", {"namespace": "test", "keys": ["a", "b", "c"]})
    assert [(e["key"], e["value"], e["encoding"]) for e in got["entries"]] == [
        ("a", "1", "utf-8"),
        ("b", "/wA=", "base64"),
    ]
    assert got["entries"][0]["ttl"] in {58, 59, 60}
    assert got["entries"][1]["ttl"] is None
    assert got["missing"] == ["c"]
    gone = post(sidecar, "/v1/mdelete", {"namespace": "test", "keys": ["a", "c"]})
    assert [entry["status"] for entry in gone["entries"]] == [204, 404]


def test_many_keys_in_messagepack(sidecar: RunningSidecar) -> None:
    """Binary keys and values are unchanged; the answer is JSON if Accept asks for it."""
    body = {"namespace": "test", "entries": [{"key": b"\xff", "value": b"\x00\x01"}]}
    answer = sidecar.ask("POST", "/v1/mset", msgspec.msgpack.encode(body), MESSAGEPACK)
    assert answer.headers["Content-Type"] == "application/msgpack"
    wanted = msgspec.msgpack.encode({"namespace": "test", "keys": [b"\xff"]})
    answer = sidecar.ask("POST", "/v1/mget", wanted, MESSAGEPACK)
    assert msgspec.msgpack.decode(answer.body)["entries"][0]["value"] == b"\x00\x01"
    assert sidecar.get("%FF").body == b"\x00\x01"


def test_bad_bodies_are_refused_whole(own_sidecar: RunningSidecar) -> None:
    """Each error has a sentence, and nothing of the batch is stored."""
    sidecar = own_sidecar
    entry = {"key": "a", "value": "1"}
    for body, words in (
        (b"{", "body"),
        (b"[1, 2]", "object"),
        (b'{"namespace": "test"}', "entries"),
        (b'{"namespace": "test", "entries": [], "more": 1}', "more"),
        (json.dumps({"namespace": "no slash/", "entries": []}).encode(), "namespace"),
        (json.dumps({"namespace": "t", "entries": [entry, {"key": "", "value": ""}]}).encode(), ""),
        (json.dumps({"namespace": "t", "entries": [entry, {"key": 5, "value": ""}]}).encode(), ""),
        (json.dumps({"namespace": "t", "entries": [entry] * 1001}).encode(), "1000"),
        (b"[" * 200_000, ""),
    ):
        assert words in refused(sidecar, "/v1/mset", body, JSON)
    refused(sidecar, "/v1/mset", b"\xc1\xff", MESSAGEPACK)
    refused(sidecar, "/v1/mset", b"<x/>", {"Content-Type": "application/xml"})
    assert sidecar.ask("GET", "/v1/cache/t/a").status == 404
    assert sidecar.stats()["tiers"]["l1"]["entries"] == 0


def test_an_invalidation_is_exact_at_once(own_sidecar: RunningSidecar) -> None:
    """A prefix, then a namespace: nothing below it is found, everything else is, also after a
    crash.
    """
    sidecar = own_sidecar
    keys = [f"{group}/{number}" for group in ("a", "b") for number in range(700)]
    entries = [{"key": key, "value": key} for key in keys]
    for start in (0, 700):
        body = {"namespace": "test", "entries": entries[start : start + 700]}
        post(sidecar, "/v1/mset", body)
    sidecar.put("other", b"v")
    post(sidecar, "/v1/invalidate", {"namespace": "test", "prefix": "a/"})
    assert all(sidecar.get(key).status == 404 for key in keys[:700:50])
    assert all(sidecar.get(key).status == 200 for key in keys[700::50])
    sidecar.kill_both()
    sidecar.start()
    assert all(sidecar.get(key).status == 404 for key in keys[:700:50])
    post(sidecar, "/v1/invalidate", {"namespace": "test", "all": True})
    assert sidecar.get("other").status == 404
    sidecar.put("other", b"new")
    assert sidecar.get("other").body == b"new"


@pytest.mark.parametrize(
    "fields",
    [
        '"namespace": "test", "prefix": "a/", "prefix": ""',
        '"namespace": "other", "all": true, "namespace": "test"',
        '"namespace": "test", "all": false, "all": true',
        '"namespace": "test", "all": true, "\\u0061ll": true',
    ],
)
def test_an_invalidation_states_each_field_once(sidecar: RunningSidecar, fields: str) -> None:
    """Of a repeated one the last would count, and nothing brings back what it covers."""
    sidecar.put("key", b"v")
    body = f"{{{fields}}}".encode()
    assert "twice" in problem(sidecar.ask("POST", "/v1/invalidate", body), 400)
    assert sidecar.get("key").body == b"v"


def test_an_invalidation_says_what_it_wants(sidecar: RunningSidecar) -> None:
    """Neither prefix nor all, or both, is an error."""
    refused(sidecar, "/v1/invalidate", b'{"namespace": "test"}', JSON)
    both = b'{"namespace": "test", "prefix": "a", "all": true}'
    refused(sidecar, "/v1/invalidate", both, JSON)


def test_every_key_is_on_some_page(sidecar: RunningSidecar) -> None:
    """Paging lists every key once, and none of another namespace."""
    names = {f"key/{number}" for number in range(1500)}
    for start in range(0, 1500, 500):
        entries = [{"key": f"key/{n}", "value": "v"} for n in range(start, start + 500)]
        post(sidecar, "/v1/mset", {"namespace": "test", "entries": entries})
    sidecar.ask("PUT", "/v1/cache/other/key", b"v")
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        path = f"/v1/keys?namespace=test&prefix=key/&limit=400&cursor={cursor}"
        page = json.loads(sidecar.ask("GET", path).body)
        found += [row["key"] for row in page["keys"]]
        cursor = page["cursor"]
    assert sorted(found) == sorted(names)


@pytest.mark.parametrize("key", [".", "..", "a/../b", "a/.", "./a", "a/..", "../../other/a"])
def test_a_key_that_no_path_can_have_is_listed_without_one(
    sidecar: RunningSidecar, key: str
) -> None:
    """Batches take it; a path with its segments is refused."""
    entry = {
        "namespace": "test",
        "entries": [{"key": key, "value": "v"}, {"key": "plain", "value": ""}],
    }
    assert sidecar.ask("POST", "/v1/mset", json.dumps(entry).encode()).status == 200
    listed = json.loads(sidecar.ask("GET", "/v1/keys?namespace=test").body)["keys"]
    paths = {each["key"]: each["path"] for each in listed}
    assert paths == {key: None, "plain": "/v1/cache/test/plain"}
    assert sidecar.ask("GET", f"/v1/cache/test/{key}").status in {400, 404}


def test_bad_questions_for_keys_are_refused(sidecar: RunningSidecar) -> None:
    """No namespace, a limit out of range, an invalid cursor, an unknown parameter."""
    for query in (
        "",
        "namespace=t&limit=0",
        "namespace=t&limit=1001",
        "namespace=t&cursor=!!",
        "namespace=t&cursor=AAAA",
        "namespace=t&more=1",
    ):
        assert sidecar.ask("GET", f"/v1/keys?{query}").status == 400, query


def test_the_ops_api_has_three_paths(own_sidecar: RunningSidecar) -> None:
    """/metrics parses, /livez and /readyz answer, and the data API is absent."""
    sidecar = own_sidecar
    sidecar.put("key", b"v")
    sidecar.get("key")
    families = {
        f.name: f for f in text_string_to_metric_families(sidecar.ops("/metrics").body.decode())
    }
    hits = [
        s.value for s in families["cache_sidecar_lookups"].samples if s.labels["result"] == "hit"
    ]
    assert sum(hits) == 1
    assert sidecar.ops("/livez").status == 200
    assert json.loads(sidecar.ops("/readyz").body) == {"ready": True, "notes": []}
    assert sidecar.ops("/v1/stats").status == 404


def test_a_unix_socket_serves_the_same(start_sidecar: StartSidecar, tmp_path: Path) -> None:
    """A value put over TCP can be read over the socket, which replaces one left by a killed
    sidecar.
    """
    path = tmp_path / "socket"
    sidecar = start_sidecar("--data-socket", str(path))
    sidecar.put("key", b"value")
    sidecar.kill_both()
    sidecar.start()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(b"GET /v1/cache/test/key HTTP/1.0\r\n\r\n")
        received = b""
        while chunk := connection.recv(4096):
            received += chunk
    assert received.endswith(b"value")
