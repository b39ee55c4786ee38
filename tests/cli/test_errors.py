"""A wrong call of a command is answered in one line."""

from __future__ import annotations

import socket
from threading import Thread

import pytest
from click.testing import CliRunner

from sidecar.cli import main
from tests.running import free_port


@pytest.mark.parametrize(
    "call",
    [
        "--unknown",
        "unknown",
        "check",
        "check missing",
        "serve --data-bind nonsense",
        "serve --data-bind 127.0.0.1:\N{SUPERSCRIPT TWO}",
        "serve --ops-bind 127.0.0.1:\N{ARABIC-INDIC DIGIT TWO}",
        "serve --ops-bind 127.0.0.1:65536",
        "serve --data-limit -5",
        "serve --linger 5",
        "simulate trace.csv --policy lru --entries 0",
        "stats --url http://127.0.0.1:99999",
        "stats --url http://127.0.0.1:http",
        "stats --url http://[::1",
        "stats --url https://127.0.0.1",
        "stats --url http://",
        "replay trace.csv --url http://127.0.0.1:99999",
        "replay trace.csv --concurrency 0",
        "stats extra",
        "optimizer rulez",
        "optimizer outcomes --limit 0",
        "top --interval 5",
        "top --interval 10ms",
        "top --interval 2h",
        "top --count 0",
    ],
)
def test_a_wrong_call_is_one_line(call: str) -> None:
    """Status 2, one line on stderr without a traceback, and nothing on stdout."""
    result = CliRunner().invoke(main, call.split())
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("Error: ")


@pytest.mark.parametrize(
    ("call", "name"),
    [
        *((f"serve {flag}", flag) for flag in ("--data-dir", "--config", "--data-socket")),
        *(("check", "DIR"), ("replay", "TRACE"), ("stats --socket", "--socket")),
        ("simulate --policy lru --entries 1", "TRACE"),
    ],
)
def test_an_empty_path_is_refused(call: str, name: str) -> None:
    """As from a variable of the shell that is not set; it is not the current folder."""
    result = CliRunner().invoke(main, [*call.split(), ""])
    assert result.exit_code == 2
    assert f"{name}': the path is empty" in result.stderr


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CACHE_SIDECAR_DATADIR", "CACHE_SIDECAR_DATA_DIR"),
        ("CACHE_SIDECAR_CONFIG_MAP", "CACHE_SIDECAR_CONFIGMAP"),
        ("CACHE_SIDECAR_LOG_LEVLE", "CACHE_SIDECAR_LOG_LEVEL"),
        ("CACHE_SIDECAR_DATA-DIR", "CACHE_SIDECAR_DATA_DIR"),
        ("CACHE_SIDECAR__DATA_DIR", "CACHE_SIDECAR_DATA_DIR"),
        ("cache_sidecar_data_dir", "CACHE_SIDECAR_DATA_DIR"),
        ("Cache_Sidecar_Linger", "CACHE_SIDECAR_LINGER"),
        ("CACHESIDECAR_OPS_BIND", "CACHE_SIDECAR_OPS_BIND"),
        ("CACHE_SIDECARCONFIG", "CACHE_SIDECAR_CONFIG"),
        ("cache-sidecar.data-dir", "CACHE_SIDECAR_DATA_DIR"),
    ],
)
def test_a_misspelt_variable_is_refused(name: str, meant: str) -> None:
    """Otherwise the default would be in force instead of what it states."""
    result = CliRunner().invoke(main, ["serve"], env={name: "x"})
    assert result.exit_code == 2
    assert result.stderr == f"Error: There is no variable {name}; did you mean {meant}?\n"


def test_variables_of_others_are_accepted() -> None:
    """Kubernetes sets some for a Service called cache-sidecar. The flag is wrong on purpose."""
    variables = {
        "CACHE_SIDECAR_PORT": "tcp://10.0.0.1:7070",
        "CACHE_SIDECAR_PORT_7070_TCP": "tcp://10.0.0.1:7070",
        "CACHE_SIDECAR_SERVICE_HOST": "10.0.0.1",
        "CACHE_SIDECAR_URL": "http://127.0.0.1:7070",
        "CACHE_SIDECAR_REDIS_URL": "redis://127.0.0.1:6379",
        "CACHE_SIDECAR_TEAM": "shop",
    }
    result = CliRunner().invoke(main, ["serve", "--linger", "5"], env=variables)
    assert "There is no variable" not in result.stderr


def test_no_command_is_a_call_for_help() -> None:
    """The commands are listed, as `--help` does."""
    result = CliRunner().invoke(main, [])
    assert "simulate" in result.output
    assert "Usage: " in result.output


@pytest.mark.parametrize("group", ["", "optimizer"])
def test_every_command_is_explained_in_a_line(group: str) -> None:
    """No explanation is cut off with three dots."""
    listed = CliRunner().invoke(main, [*group.split(), "-h"]).output.partition("Commands:")[2]
    assert len(listed.splitlines()) > 4
    assert "..." not in listed


def test_the_variable_of_applications_says_where_the_sidecar_is() -> None:
    """CACHE_SIDECAR_URL is the default; it can also be stated before a subcommand's name."""
    variable = {"CACHE_SIDECAR_URL": f"http://127.0.0.1:{free_port()}"}
    said = CliRunner().invoke(main, ["stats"], env=variable)
    assert variable["CACHE_SIDECAR_URL"] in said.stderr
    for call in ("optimizer --url http://127.0.0.1:1 rules", "stats --url http://127.0.0.1:1"):
        said = CliRunner().invoke(main, call.split(), env=variable)
        assert "http://127.0.0.1:1: " in said.stderr


@pytest.mark.parametrize(
    "answer", [b"-ERR unknown command\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n{}", b""]
)
def test_what_is_no_sidecar_is_one_line(answer: bytes) -> None:
    """For example Redis, a web server, or a server that closes the connection at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = Thread(target=_answer_once, args=(server, answer))
        answering.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        result = CliRunner().invoke(main, ["stats", "--url", url])
        answering.join()
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"Error: {url}: ")


def _answer_once(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(answer)
