"""The default port of the Redis protocol: skipped if it is taken, and shown so everywhere."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sidecar.app.sidecar import Sidecar
from sidecar.cli.counted import Stats
from sidecar.cli.stats import protocol
from tests.http.serving import eventually, running_sidecar
from tests.resp.serving import connected


class Shown:
    """What a sidecar says of itself."""

    def __init__(self, live: Sidecar) -> None:
        self._live = live

    async def _ask(self, api: str, path: str) -> bytes:
        url = f"http://127.0.0.1:{self._live.ports[api]}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 200
            return await answer.read()

    async def notes(self) -> list[str]:
        found: list[str] = msgspec.json.decode(await self._ask("ops", "/readyz"))["notes"]
        return found

    async def protocols(self) -> Any:
        return msgspec.json.decode(await self._ask("http", "/v1/stats"))["protocols"]

    async def by_the_command(self) -> str:
        """The line of `cache-sidecar stats`."""
        found = msgspec.json.decode(await self._ask("http", "/v1/stats"), type=Stats)
        return protocol("resp", found).plain

    async def listening(self) -> dict[str, float]:
        text = (await self._ask("ops", "/metrics")).decode()
        return {
            sample.labels["protocol"]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if family.name == "cache_sidecar_listening"
        }


async def test_a_default_port_that_is_taken_is_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the log, in /readyz, in /v1/stats, by the command, and as a metric. The rest works."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        async with running_sidecar(tmp_path, resp_bind=("127.0.0.1", port)) as live:
            shown = Shown(live)
            why = f"127.0.0.1:{port} can't be listened on (Address already in use)"
            [note] = await shown.notes()
            assert note.startswith(f"The Redis protocol is not served: {why}")
            resp = (await shown.protocols())["resp"]
            assert resp["listening"] is False
            assert resp["trouble"].startswith(why)
            assert why in await shown.by_the_command()
            assert await shown.listening() == {"http": 1.0, "ops": 1.0, "resp": 0.0}
    assert why in "".join(capfd.readouterr())


async def test_what_is_served_is_counted_by_protocol(tmp_path: Path) -> None:
    """Requests and connections, each with its own; nothing is wrong."""
    async with running_sidecar(tmp_path, resp_bind=("127.0.0.1", 0)) as live:
        shown = Shown(live)
        before = await shown.protocols()
        dialog = await connected(live.ports["resp"])
        for _ in range(3):
            assert await dialog("ping") == b"PONG"
        await eventually(lambda: live.admissions["resp"].connections == 1, "it is connected")
        after = await shown.protocols()
        assert after["resp"] == before["resp"] | {"requests": 3, "connections": 1}
        assert after["http"]["requests"] == before["http"]["requests"] + 1
        assert await shown.listening() == {"http": 1.0, "ops": 1.0, "resp": 1.0}
        assert await shown.by_the_command() == "Redis: 3 requests, 0 refused, clients: 1"
        assert await shown.notes() == []
        await dialog.close()


async def test_rules_see_an_application_that_speaks_the_redis_protocol_alone(
    tmp_path: Path,
) -> None:
    """By the signals of the network, which are those of both protocols."""
    async with running_sidecar(tmp_path, resp_bind=("127.0.0.1", 0)) as live:
        dialog = await connected(live.ports["resp"])
        engine, history = live.control.engine, live.control.history

        def measured(name: str) -> float:
            return engine.value(history, name) or 0.0

        await eventually(lambda: measured("network.connections"), "the connection is measured")
        for _ in range(30):
            await dialog("get", "key")
        await eventually(lambda: measured("network.requests_per_second"), "so are requests")
        assert measured("network.get_p99_seconds") > 0
        assert measured("resp.get_p99_seconds") > 0
        await dialog.close()


async def test_what_is_off_is_no_trouble(tmp_path: Path) -> None:
    async with running_sidecar(tmp_path) as live:
        shown = Shown(live)
        resp = (await shown.protocols())["resp"]
        assert (resp["listening"], resp["trouble"]) == (False, None)
        assert await shown.listening() == {"http": 1.0, "ops": 1.0}
        assert await shown.by_the_command() == "Redis: off"
        assert await shown.notes() == []
