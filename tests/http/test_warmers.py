"""/v1/warmers, its metrics, and what a configuration that changes does to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.config.values import WarmerConfig
from sidecar.warmers.figures import ENTRY_RESULTS, RESULTS
from tests.conftest import StartSidecar
from tests.http.serving import eventually, problem
from tests.origins.server import serving
from tests.running import RunningSidecar, wait_until
from tests.warmers.test_url import response
from tests.warmers.warming import lines, of_url

NDJSON = lines([("a", "1")]) + b"broken\n" + lines([("b", "2")])


async def state(client: aiohttp.ClientSession) -> Any:
    """Of the one warmer."""
    async with client.get("/v1/warmers") as answer:
        assert answer.status == 200
        [found] = (await answer.json())["warmers"]
        return found


def configure(live: Sidecar, *configs: WarmerConfig) -> None:
    live.warmers.configure(configs)


async def test_there_may_be_no_warmers(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/warmers") as answer:
        assert await answer.json() == {"warmers": []}
    async with client.post("/v1/warmers/a/run") as answer:
        assert await problem(answer, 404) == "There is no warmer 'a'. There is: none."


async def test_a_run_is_begun_and_shown(live: Sidecar, client: aiohttp.ClientSession) -> None:
    async with serving(response(NDJSON)) as server:
        configure(live, of_url(server.url))
        async with client.post("/v1/warmers/a/run") as answer:
            assert answer.status == 202
            begun = await answer.json()
            assert begun["run"]["cause"] == "request"
        [standing] = live.warmers
        await eventually(lambda: standing.run is None, "it has ended")
        found = await state(client)
    assert (found["name"], found["source"], found["state"]) == ("a", "url", "idle")
    last = found["last_run"]
    assert (last["result"], last["loaded"], last["failed"]) == ("succeeded", 2, 1)
    assert last["began_at"] <= last["ended_at"]
    assert last["read_bytes"] == last["total_bytes"] == len(NDJSON)
    [broken] = last["errors"]
    assert broken["line"] == 2
    async with client.get("/v1/cache/n/b") as answer:
        assert await answer.read() == b"2"


async def test_one_run_at_a_time_can_be_cancelled(
    live: Sidecar, client: aiohttp.ClientSession
) -> None:
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n") as server:
        configure(live, of_url(server.url))
        async with client.delete("/v1/warmers/a/run") as answer:
            assert await problem(answer, 409) == "The warmer a is not running."
        async with client.post("/v1/warmers/a/run") as answer:
            assert answer.status == 202
        async with client.post("/v1/warmers/a/run") as answer:
            assert "is running; wait for its end" in await problem(answer, 409)
        assert (await state(client))["state"] == "running"
        async with client.delete("/v1/warmers/a/run") as answer:
            assert answer.status == 204
    found = await state(client)
    assert (found["state"], found["last_run"]["result"]) == ("idle", "cancelled")


@pytest.mark.parametrize("path", ["/v1/warmers/a", "/v1/warmers//run", "/v1/warmers/a/runs"])
async def test_other_paths_are_not_there(client: aiohttp.ClientSession, path: str) -> None:
    async with client.post(path) as answer:
        await problem(answer, 404)


async def test_a_body_and_a_query_are_refused(live: Sidecar, client: aiohttp.ClientSession) -> None:
    configure(live, of_url("http://localhost:1/"))
    async with client.post("/v1/warmers/a/run", data=b"{}") as answer:
        assert "takes no body" in await problem(answer, 400)
    async with client.post("/v1/warmers/a/run?replace=true") as answer:
        await problem(answer, 400)
    [standing] = live.warmers
    assert standing.run is None


async def test_metrics_count_runs_and_entries(live: Sidecar, client: aiohttp.ClientSession) -> None:
    """All series are there from the start, at 0."""
    async with serving(response(NDJSON)) as server:
        configure(live, of_url(server.url))
        before = await metrics(live)
        for kind, results in (("runs", RESULTS), ("entries", ENTRY_RESULTS)):
            for result in results:
                name = f'cache_sidecar_warmer_{kind}_total{{result="{result}",warmer="a"}}'
                assert before[name] == 0
        async with client.post("/v1/warmers/a/run"):
            pass
        [standing] = live.warmers
        await eventually(lambda: standing.run is None, "it has ended")
    after = dict(await metrics(live))
    assert after['cache_sidecar_warmer_runs_total{result="succeeded",warmer="a"}'] == 1
    assert after['cache_sidecar_warmer_entries_total{result="loaded",warmer="a"}'] == 2
    assert after['cache_sidecar_warmer_entries_total{result="failed",warmer="a"}'] == 1
    assert after['cache_sidecar_warmer_last_run_timestamp_seconds{warmer="a"}'] > 1e9


async def metrics(live: Sidecar) -> dict[str, float]:
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{live.ports['ops']}") as session,
        session.get("/metrics") as answer,
    ):
        text = await answer.text()
    samples = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


# ---- in a process of its own, by a document and the command


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "a.ndjson").write_bytes(NDJSON)
    return folder


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    source = "{name: a, namespace: n, source: {file: a.ndjson}, on_start: true}"
    (folder / "warmers.yaml").write_text(f"warmers: [{source}]")
    return folder


@pytest.fixture
def warmed(start_sidecar: StartSidecar, exports: Path, documents: Path) -> RunningSidecar:
    return start_sidecar("--config", str(documents), "--warm-dir", str(exports))


def answer(sidecar: RunningSidecar, path: str) -> Any:
    return json.loads(sidecar.ask("GET", path).body)


def last_run(sidecar: RunningSidecar) -> Any:
    [found] = answer(sidecar, "/v1/warmers")["warmers"]
    return found["last_run"]


def test_a_sidecar_warms_at_the_start(warmed: RunningSidecar) -> None:
    wait_until(lambda: last_run(warmed) is not None, "it is warm")
    assert last_run(warmed)["loaded"] == 2
    assert warmed.ask("GET", "/v1/cache/n/b").body == b"2"


def test_a_refused_document_changes_nothing(warmed: RunningSidecar, documents: Path) -> None:
    """The error names the flag, and the warmer in force stays."""
    wait_until(lambda: last_run(warmed) is not None, "it is warm")
    source = "{name: b, namespace: n, source: {url: 'http://10.0.0.1/'}}"
    (documents / "warmers.yaml").write_text(f"warmers: [{source}]")
    wait_until(lambda: answer(warmed, "/v1/config")["rejected"], "it is refused")
    [error] = answer(warmed, "/v1/config")["rejected"]["errors"]
    assert "--origin-allow" in error
    assert last_run(warmed)["loaded"] == 2
