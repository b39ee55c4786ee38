"""`--token-file`: read at the start, followed while it runs, and told to nobody."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.http.routes import DATA
from tests.conftest import StartSidecar
from tests.documents.kubelet import Mount
from tests.http.test_parameters import VALUES, concrete
from tests.resp.servers import Wire
from tests.running import RunningSidecar, wait_until

FIRST, SECOND, WRONG = "s3cr3t-of-the-shop", "an0ther-s3cret", "gu3ss-of-a-stranger"
PATH = "/v1/stats"
QUIET_SECONDS = 2.5
"""As long as two looks at the file take."""


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(FIRST)
    return path


@pytest.fixture
def guarded(start_sidecar: StartSidecar, token_file: Path) -> RunningSidecar:
    return start_sidecar("--token-file", str(token_file), "--log-format", "json")


def accepts(sidecar: RunningSidecar, token: str) -> bool:
    return sidecar.ask("GET", PATH, headers={"Authorization": f"Bearer {token}"}).status == 200


def notes(sidecar: RunningSidecar) -> str:
    return " ".join(json.loads(sidecar.ops("/readyz").body)["notes"])


def logged(sidecar: RunningSidecar) -> list[dict[str, object]]:
    """Its log, after it has been stopped."""
    assert sidecar.process is not None
    sidecar.process.terminate()
    status, output = sidecar.wait()
    assert status == 0
    lines: list[dict[str, object]] = [json.loads(line) for line in output.splitlines()]
    return [line for line in lines if "oken" in str(line["event"])]


@pytest.mark.parametrize("content", [None, "", "two words", "x" * 2000, "pipe", "folder"])
def test_without_a_token_it_does_not_start(
    start_sidecar: StartSidecar, tmp_path: Path, content: str | None
) -> None:
    """One line says what to do. A pipe is not waited for."""
    path = tmp_path / "token"
    if content == "pipe":
        os.mkfifo(path)
    elif content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_text(content)
    sidecar = RunningSidecar(tmp_path / "data", ("--token-file", str(path)))
    sidecar.launch()
    status, output = sidecar.wait()
    [line] = output.splitlines()
    assert status == 1
    assert line.startswith(f"Error: --token-file {path} ")
    assert "write" in line
    assert not content or content in {"pipe", "folder"} or content not in line


def test_the_variable_sets_it_too(start_sidecar: StartSidecar, token_file: Path) -> None:
    sidecar = start_sidecar(CACHE_SIDECAR_TOKEN_FILE=str(token_file))
    assert sidecar.ask("GET", PATH).status == 401
    assert accepts(sidecar, FIRST)


def test_it_is_read_again_when_it_is_rewritten(guarded: RunningSidecar, token_file: Path) -> None:
    """In place, or by another file in its place; the log says so, and not with what."""
    assert accepts(guarded, FIRST)
    token_file.write_text(f"{SECOND}\n")
    wait_until(lambda: accepts(guarded, SECOND), "the new token is in force")
    assert not accepts(guarded, FIRST)
    new = token_file.with_name("new")
    new.write_text(FIRST)
    new.rename(token_file)
    wait_until(lambda: accepts(guarded, FIRST), "the old token is in force again")
    events = logged(guarded)
    assert [(line["level"], line["event"]) for line in events] == [("info", "Token replaced")] * 2


def test_a_secret_that_kubernetes_swaps_is_read_again(
    start_sidecar: StartSidecar, tmp_path: Path
) -> None:
    """The file is a link below a link, of which the first never changes."""
    mount = Mount(tmp_path / "secret")
    mount.publish({"token": FIRST})
    sidecar = start_sidecar("--token-file", str(mount.path / "token"))
    assert accepts(sidecar, FIRST)
    mount.publish({"token": SECOND})
    wait_until(lambda: accepts(sidecar, SECOND), "the new token is in force")
    assert not accepts(sidecar, FIRST)


def test_the_last_token_stays_where_there_is_none(
    guarded: RunningSidecar, token_file: Path
) -> None:
    """It is logged once for each reason, `/readyz` says so, and both tell when it is good again."""
    for break_it, reason in (
        (token_file.unlink, "cannot be read"),
        (lambda: token_file.write_text(""), "is empty"),
        (lambda: token_file.write_text(f"{SECOND} {SECOND}"), "does not hold one token"),
    ):
        break_it()
        wait_until(lambda reason=reason: reason in notes(guarded), "it is told")  # type: ignore[misc]
        assert accepts(guarded, FIRST)
        assert guarded.ops("/readyz").status == 200
    wait_for_looks(guarded)
    token_file.write_text(SECOND)
    wait_until(lambda: accepts(guarded, SECOND), "the new token is in force")
    assert "token" not in notes(guarded)
    events = [(line["level"], line["event"]) for line in logged(guarded)]
    assert events == [
        *[("error", "Token file unusable; the last token stays in force")] * 3,
        ("info", "Token file usable again"),
        ("info", "Token replaced"),
    ]


def wait_for_looks(sidecar: RunningSidecar) -> None:
    """Let it look at the file twice; there is no event for a line that is not logged again."""
    assert sidecar.process is not None
    with pytest.raises(subprocess.TimeoutExpired):
        sidecar.process.wait(QUIET_SECONDS)


def test_the_token_is_told_to_nobody(start_sidecar: StartSidecar, token_file: Path) -> None:
    """Neither by an answer of any call, nor by the log of all; nor is what somebody has tried."""
    sidecar = start_sidecar(
        *("--token-file", str(token_file)),
        *("--log-level", "debug", "--log-format", "json"),
    )
    heard = [*told_over_http(sidecar, FIRST), *told_over_resp(sidecar, FIRST)]
    token_file.write_text(f"{SECOND} {WRONG}")
    wait_until(lambda: "does not hold one token" in notes(sidecar), "it is told")
    heard += told_over_http(sidecar, FIRST)
    token_file.write_text(SECOND)
    wait_until(lambda: accepts(sidecar, SECOND), "the new token is in force")
    heard += [*told_over_http(sidecar, SECOND), *told_over_resp(sidecar, SECOND)]
    assert sidecar.process is not None
    sidecar.process.terminate()
    heard.append(sidecar.wait()[1].encode())
    assert b"Token replaced" in heard[-1]
    told = b"".join(heard)
    for token in (FIRST, SECOND, WRONG):
        assert token.encode() not in told


def told_over_http(sidecar: RunningSidecar, token: str) -> Iterator[bytes]:
    """All answers, with the token and without."""
    for sent in (token, WRONG, f"{token} {token}"):
        for route in DATA:
            query = "?namespace=test" if route.path == "/v1/keys" else ""
            query = f"?names={VALUES['names']}" if route.path == "/v1/signals" else query
            answer = sidecar.ask(
                route.method,
                concrete(route.path) + query,
                b"{}" if route.body is not None else None,
                {"Authorization": f"Bearer {sent}"},
            )
            yield str(answer.headers).encode() + answer.body
    for path in ("/metrics", "/livez", "/readyz", "/nothing"):
        answer = sidecar.ops(path)
        yield str(answer.headers).encode() + answer.body


def told_over_resp(sidecar: RunningSidecar, token: str) -> Iterator[bytes]:
    with Wire(sidecar.resp_port) as wire:
        yield wire.ask((b"AUTH", WRONG.encode()), (b"AUTH", b"admin", token.encode()))
        yield wire.ask((b"HELLO", b"3", b"AUTH", b"default", WRONG.encode()), (b"GET", b"k"))
        yield wire.ask((b"HELLO", b"3", b"AUTH", b"default", token.encode()))
        yield wire.ask((b"AUTH", WRONG.encode()), (b"INFO", b"everything"))
        yield wire.ask((b"CONFIG", b"GET", b"*"), (b"CLIENT", b"LIST"), (b"CLIENT", b"INFO"))
        yield wire.ask((b"CONFIG", b"GET", b"requirepass"), (b"COMMAND",))
        yield wire.ask((b"CONFIG", b"SET", b"requirepass", b"x"))
