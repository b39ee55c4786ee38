"""The proxy for the API server, read from the environment as kubectl reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from sidecar.kube.connection import Connection
from sidecar.kube.proxy import proxy_for
from sidecar.kube.trouble import Dropped
from tests.kube.apiserver import ApiServer

IPV4, IPV6, NAMED = "https://10.96.0.1", "https://[fd00::1]:6443", "https://api.Example.com:6443"
PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("url", "excluded"),
    [
        *((IPV4, it) for it in ("*", "10.96.0.1", "10.96.0.0/12", "10.96.0.1:443")),
        *((IPV4, it) for it in ("other, 10.96.0.1", " 10.0.0.0/8 ,", "10.1.0.0/16,10.96.0.1/32")),
        *((IPV6, it) for it in ("fd00::1", "[fd00::1]", "[fd00::1]:6443", "fd00::/8")),
        *((IPV6, it) for it in ("FD00:0:0:0:0:0:0:1", "[fd00:0::1]:6443")),
        *(
            (NAMED, it)
            for it in ("api.example.com", "example.com", ".example.com", "*.example.com")
        ),
        *((NAMED, it) for it in ("API.EXAMPLE.COM", "api.example.com:6443", "*.Example.com:6443")),
    ],
)
def test_it_is_not_used_where_no_proxy_has_the_server(url: str, excluded: str) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        assert proxy_for(url, {"HTTPS_PROXY": PROXY, name: excluded}) is None


@pytest.mark.parametrize(
    ("url", "excluded"),
    [
        *(
            (IPV4, it)
            for it in ("", ",", "10.96.0.2", "10.97.0.0/16", "10.96.0.1:6443", "fd00::/8")
        ),
        *((IPV4, it) for it in ("/", "10.96.0.1/x", ":443", "0.1", "[]")),
        *((IPV6, it) for it in ("fd00::2", "[fd00::1]:443", "10.0.0.0/8", "::1")),
        *((NAMED, it) for it in ("example.org", "ample.com", "api.example.com:443", ".", "*.")),
    ],
)
def test_it_is_used_for_all_others(url: str, excluded: str) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        assert proxy_for(url, {"https_proxy": PROXY, name: excluded}) == PROXY


def test_it_is_that_of_the_scheme_and_may_lack_its_own() -> None:
    environ = {"HTTPS_PROXY": "user:secret@secure:1", "http_proxy": "plain:2", "ALL_PROXY": "any:3"}
    assert proxy_for("https://api", environ) == "http://user:secret@secure:1"
    assert proxy_for("http://api", environ) == "http://plain:2"
    assert proxy_for("https://api", {"https_proxy": "", "HTTPS_PROXY": PROXY}) == PROXY
    assert proxy_for("https://api", {"ALL_PROXY": PROXY, "http_proxy": PROXY}) is None


class Refusing:
    """A proxy that wants other credentials; it remembers those that it got."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()


@pytest.fixture
async def refusing() -> AsyncIterator[Refusing]:
    proxy = Refusing()
    server = await asyncio.start_server(proxy.answer, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    yield proxy
    server.close()


def kubeconfig(folder: Path, server: str, proxy: str | None = None) -> Path:
    path = ApiServer().write_kubeconfig(folder / "kube")
    config = yaml.safe_load(path.read_text())
    config["clusters"][0]["cluster"] = {"server": server} | ({"proxy-url": proxy} if proxy else {})
    path.write_text(yaml.safe_dump(config))
    return path


async def failure(path: Path, **environ: str) -> str:
    """Why a request fails."""
    connection = Connection({"KUBECONFIG": str(path), **environ}, answer_seconds=2)
    try:
        with pytest.raises(Dropped) as raised:
            async with connection.request("GET", "/"):
                pass
    finally:
        await connection.close()
    return str(raised.value)


@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_its_credentials_are_used_and_never_shown(
    refusing: Refusing, tmp_path: Path, scheme: str
) -> None:
    """`/readyz` and the log have the reason, which has the URL."""
    proxy = f"{scheme}user:secret@127.0.0.1:{refusing.port}"
    whys = [
        await failure(kubeconfig(tmp_path, IPV4), HTTPS_PROXY=proxy),
        await failure(kubeconfig(tmp_path, IPV4, proxy)),
        await failure(kubeconfig(tmp_path, IPV4), HTTPS_PROXY=f"{scheme}user:secret@127.0.0.1:0x"),
        await failure(kubeconfig(tmp_path, IPV4), HTTPS_PROXY=f"{scheme}user:secret@127.0.0.1:1"),
    ]
    assert all("proxy" in why and "secret" not in why for why in whys), whys
    assert len(refusing.asked) == 2
    assert all("Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=" in head for head in refusing.asked)


@pytest.mark.parametrize("address", ["127.0.0.1:6443", "http://127.0.0.1:99999", "ftp://api"])
async def test_an_address_that_is_none_is_named(tmp_path: Path, address: str) -> None:
    """And is not called an interrupted connection."""
    why = await failure(kubeconfig(tmp_path, address))
    assert why.startswith("The address of the API server, or of its proxy, is not valid: ")
