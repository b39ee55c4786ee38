"""Requests from browsers: only those of the console are served."""

from __future__ import annotations

from pathlib import Path
from socket import gethostname

import aiohttp
import pytest

from sidecar.app.sidecar import Sidecar
from sidecar.http.browsers import is_rebindable
from tests.http.serving import exchange, problem, request
from tests.running import RunningSidecar

PATH = "/v1/cache/test/key"
JSON = b'{"namespace": "test", "all": true}'


def test_a_name_that_is_not_ours_is_a_strangers() -> None:
    """Public names can be registered, and names of one label resolved by whoever answers in the
    network; addresses and the names of loopback can't.
    """
    for name in (
        *("evil.example", "evil.example:7070", "127.0.0.1.evil.example", "EVIL.example.:80"),
        *("x", "cache:7070", "intranet.", "localhost.evil", "notlocalhost", "localdomain"),
        *("[evil]", "evil]", "[evil]localhost", "x]localhost", "[::1", "::1", "[::1]evil"),
        *("evil/127.0.0.1", "evil?.localhost", "evil#.1", "evil\\.1", "me@localhost", "evil .1"),
        *("localhost:x", "localhost:80:80", "localhost:-1", "localhost, evil", "l%6fcalhost"),
    ):
        assert is_rebindable(name), name
    for name in (
        *("127.0.0.1", "127.0.0.1:7070", "[::1]", "[::1]:7070", "10.0.0.7:80", "localhost:7070"),
        *("localhost.", "LOCALHOST", "localhost.localdomain", "a.localhost:1"),
        *("cache-sidecar", "cache-sidecar:7070", gethostname(), ""),
    ):
        assert not is_rebindable(name), name


@pytest.mark.parametrize("path", [PATH, "/v1/stats", "/v1/keys?namespace=test", "/"])
async def test_a_name_that_was_rebound_gets_nothing(live: Sidecar, path: str) -> None:
    """A page of evil.example, which now resolves to loopback, gets 421 and a closed connection."""
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{live.ports['http']}{path}"
        async with session.get(url, headers={"Host": "evil.example:7070"}) as answer:
            assert "localhost" in await problem(answer, 421)
            assert answer.headers["Connection"] == "close"


@pytest.mark.usefixtures("live")
async def test_a_unix_socket_is_asked_by_any_name(tmp_path: Path) -> None:
    """Browsers cannot reach it, and clients send any host name."""
    connector = aiohttp.UnixConnector(str(tmp_path / "socket"))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://cache.example/v1/stats") as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"),
        ("Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors", "Origin: http://localhost:3000"),
        ("Origin: http://evil.example",),
        ("Origin: null",),
    ],
)
async def test_a_page_of_another_site_changes_nothing(
    live: Sidecar, headers: tuple[str, ...]
) -> None:
    """A simple request, which needs no preflight, and a link are both refused; the page cannot read
    anything, not even as an image or a script.
    """
    port = live.ports["http"]
    length = f"Content-Length: {len(JSON)}"
    put = request("PUT", PATH, "Content-Length: 1", "Connection: close", body=b"v")
    assert b" 201 " in await exchange(port, put)
    for sent in (
        request("POST", "/v1/invalidate", length, *headers, "Connection: close", body=JSON),
        request("POST", "/v1/optimizer/reset", *headers, "Connection: close"),
        request("GET", PATH, *headers, "Connection: close"),
        request("GET", "/v1/stats", *headers, "Sec-Fetch-Mode: navigate", "Connection: close"),
    ):
        assert b"HTTP/1.1 403 " in await exchange(port, sent)
    got = await exchange(port, request("GET", PATH, "Connection: close"))
    assert got.endswith(b"\r\n\r\nv")


async def test_a_link_to_the_console_may_stand_anywhere(live: Sidecar) -> None:
    """The console's page discloses nothing by itself, and cannot be framed."""
    link = request(
        *("GET", "/", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"),
        "Connection: close",
    )
    page = await exchange(live.ports["http"], link)
    assert page.startswith(b"HTTP/1.1 200 ")
    assert b"frame-ancestors 'none'" in page


@pytest.mark.parametrize("site", ["same-origin", "none"])
async def test_the_console_and_a_typed_address_are_answered(live: Sidecar, site: str) -> None:
    """Content that the browser displays has no rights in this origin."""
    port = live.ports["http"]
    length, html = "Content-Length: 8", "Content-Type: text/html"
    put = request("PUT", PATH, length, html, "Connection: close", body=b"<script>")
    assert b" 201 " in await exchange(port, put)
    headers = (f"Sec-Fetch-Site: {site}", "Sec-Fetch-Dest: document", "Connection: close")
    got = await exchange(port, request("GET", PATH, *headers))
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Security-Policy: sandbox\r\n" in got


def test_no_answer_may_be_read_by_other_sites(sidecar: RunningSidecar) -> None:
    """No answer has a CORS header."""
    for method, path in (("OPTIONS", PATH), ("GET", "/v1/stats"), ("GET", "/"), ("GET", "/no")):
        answer = sidecar.ask(method, path)
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
