"""A command that is called wrongly, in whatever way, answers in one line."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from sidecar.cli import main


@pytest.mark.parametrize(
    "call",
    [
        "--unknown",
        "unknown",
        "check",
        "check missing",
        "serve --data-bind nonsense",
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
    ],
)
def test_a_wrong_call_is_one_line(call: str) -> None:
    """Status 2, one line on stderr that is no traceback, nothing on stdout."""
    result = CliRunner().invoke(main, call.split())
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("Error: ")


def test_no_command_is_a_call_for_help() -> None:
    """The commands are listed, as `--help` does."""
    result = CliRunner().invoke(main, [])
    assert "simulate" in result.output
    assert "Usage: " in result.output
