"""Kinds of credentials, and requests of the server."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.kube.connection import Connection
from sidecar.kube.trouble import CredentialsError, Trouble
from tests.kube.apiserver import ApiServer
from tests.kube.conftest import Watch, document, until
from tests.kube.threaded import NAME, NAMESPACE

PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
Connect = Callable[..., Connection]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    begun: list[Connection] = []

    def begin(*kubeconfigs: Path) -> Connection:
        begun.append(Connection({"KUBECONFIG": ":".join(map(str, kubeconfigs))}))
        return begun[-1]

    yield begin
    for connection in begun:
        await connection.close()


async def status(connection: Connection) -> int:
    async with connection.request("GET", PATH) as answer:
        return answer.status


def a_command(prints: str) -> dict[str, Any]:
    """A user whose token comes from a command, as with managed clusters."""
    exec_ = {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable}
    return {"exec": {**exec_, "args": ["-c", f"print({prints!r})"]}}


async def test_a_token_may_come_from_a_command(
    server: ApiServer, connect: Connect, tmp_path: Path
) -> None:
    """The command is run as `kubectl` runs it."""
    server.faults.tokens = ["from-a-command"]
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-a-command"},
    }
    kubeconfig = server.write_kubeconfig(tmp_path / "kube", a_command(json.dumps(credential)))
    assert await status(connect(kubeconfig)) == 200


async def test_a_command_that_does_not_end_is_not_waited_for(
    server: ApiServer, tmp_path: Path
) -> None:
    """It may wait for a login; the request fails with the reason."""
    pid, login = tmp_path / "pid", tmp_path / "login"
    waits = (
        "import os, pathlib, time\n"
        f"pathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\n"
        f"while not pathlib.Path({str(login)!r}).exists(): time.sleep(0.01)\n"
    )
    command = {**a_command("")["exec"], "args": ["-c", waits]}
    kubeconfig = server.write_kubeconfig(tmp_path / "kube", {"exec": command})
    connection = Connection({"KUBECONFIG": str(kubeconfig)}, answer_seconds=0.1)
    with pytest.raises(Trouble, match="the kubeconfig's command timed out after"):
        await status(connection)
    await until(lambda: pid.exists() and pid.read_text())
    login.touch()  # so that nothing of it is left to other tests
    await until(lambda: not Path(f"/proc/{pid.read_text()}").exists())
    await connection.close()


@pytest.mark.parametrize(
    "excluded", ["127.0.0.1", "10.0.0.0/8, 127.0.0.0/8", "::1/128,127.0.0.1/32"]
)
async def test_no_proxy_may_name_networks(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, excluded: str
) -> None:
    """As kubectl and other clients in Go read it."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", excluded)
    monkeypatch.setenv("KUBECONFIG", str(server.write_kubeconfig(tmp_path / "kube")))
    connection = Connection()
    assert await status(connection) == 200
    await connection.close()


@pytest.mark.parametrize("excluded", ["", "10.0.0.0/8", "127.0.0.1/not-a-network", "/"])
async def test_a_proxy_that_does_not_connect_is_named(
    server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, excluded: str
) -> None:
    """And not the API server: the proxy is away, or refuses (405)."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTPS_PROXY", server.url)
    monkeypatch.setenv("NO_PROXY", excluded)
    kubeconfig = server.write_kubeconfig(tmp_path / "kube")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    for scheme in ("http://", "https://"):
        kubeconfig.write_text(kubeconfig.read_text().replace("http://", scheme))
        connection = Connection()
        with pytest.raises(Trouble, match=r"The proxy .* does not connect .* to NO_PROXY\."):
            await status(connection)
        await connection.close()


async def test_a_token_may_be_in_a_file(
    server: ApiServer, connect: Connect, tmp_path: Path
) -> None:
    server.faults.tokens = ["from-a-file"]
    (tmp_path / "token").write_text("from-a-file")
    kubeconfig = server.write_kubeconfig(tmp_path / "kube", {"tokenFile": str(tmp_path / "token")})
    assert await status(connect(kubeconfig)) == 200


async def test_one_of_several_kubeconfigs_may_be_missing(
    server: ApiServer, connect: Connect, tmp_path: Path
) -> None:
    """kubectl allows this too."""
    kubeconfig = server.write_kubeconfig(tmp_path / "kube")
    assert await status(connect(tmp_path / "nowhere", kubeconfig)) == 200


async def test_credentials_that_vanish_are_a_trouble_that_passes(
    server: ApiServer, connect: Connect, tmp_path: Path
) -> None:
    """At the start they are an error; later they may return."""
    kubeconfig = server.write_kubeconfig(tmp_path / "kube")
    connection = connect(kubeconfig)
    kubeconfig.rename(tmp_path / "away")
    with pytest.raises(Trouble, match=r"The credentials cannot be read: .* does not exist"):
        await status(connection)
    with pytest.raises(CredentialsError):
        connect(kubeconfig)
    (tmp_path / "away").rename(kubeconfig)
    assert await status(connection) == 200


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not well-formed"),
        ("a: [", "not well-formed"),
        ("contexts: []", "current-context"),
        ("current-context: x\ncontexts: []\nclusters: []\nusers: []", "name x in"),
        ("[1, 2]", "not well-formed"),
    ],
)
async def test_a_kubeconfig_that_is_none_is_one_line(
    connect: Connect, tmp_path: Path, text: str, why: str
) -> None:
    (tmp_path / "kube").write_text(text)
    with pytest.raises(CredentialsError) as refused:
        connect(tmp_path / "kube")
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_what_the_server_asks_for_is_waited(server: ApiServer, watch: Watch) -> None:
    """The wait is the Retry-After of a 429."""
    server.configmaps.put(NAMESPACE, NAME, document(1))
    server.faults.statuses, server.faults.retry_after = {"list": 429}, 7
    watching = watch()
    await until(lambda: len(watching.waits) >= 3)
    assert all(wait >= 7 for wait in watching.waits)


@pytest.mark.parametrize("body", [b"", b"null", b"<html>", b'{"items": 1}', b'"\xff"'])
async def test_an_answer_that_is_none_is_a_trouble(
    server: ApiServer, watch: Watch, body: bytes
) -> None:
    """For example a page of a proxy; the list is retried later."""
    server.faults.list_body = body
    watching = watch()
    assert "cannot be decoded" in await watching.until_troubled()
    server.faults.list_body = None
    await watching.upcoming()
