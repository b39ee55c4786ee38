"""`cache-sidecar warm` against a real sidecar."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import StartSidecar
from tests.running import RunningSidecar, free_port
from tests.warmers.warming import lines

CONFIG = """\
warmers:
  - {name: good, namespace: n, source: {file: good.ndjson}}
  - {name: away, namespace: n, source: {file: away.ndjson}}
  - {name: slow, namespace: n, source: {file: good.ndjson}, rate: {entries: 1}}
"""


@pytest.fixture
def sidecar(tmp_path: Path, start_sidecar: StartSidecar) -> RunningSidecar:
    exports, documents = tmp_path / "exports", tmp_path / "documents"
    exports.mkdir()
    documents.mkdir()
    content = lines((f"k{number}", "v") for number in range(100))
    (exports / "good.ndjson").write_bytes(b"broken\n" + content)
    (documents / "warmers.yaml").write_text(CONFIG)
    return start_sidecar("--config", str(documents), "--warm-dir", str(exports))


def warm(port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sidecar", "warm", *arguments]
    url = f"http://127.0.0.1:{port}"
    return subprocess.run(
        [*command, "--url", url], capture_output=True, text=True, check=False, timeout=60
    )


def test_it_waits_for_the_run_and_shows_what_was_loaded(sidecar: RunningSidecar) -> None:
    """The lines that were not loaded are on stderr."""
    done = warm(sidecar.port, "good")
    assert done.returncode == 0
    assert done.stdout.startswith("good: succeeded\n100 loaded, 0 skipped, 1 failed in ")
    assert "line 1: It can't be read: JSON is malformed" in done.stderr


def test_json_is_one_object(sidecar: RunningSidecar) -> None:
    run = json.loads(warm(sidecar.port, "good", "--json").stdout)
    assert (run["result"], run["loaded"], run["failed"]) == ("succeeded", 100, 1)


def test_a_run_that_fails_has_status_1_and_a_reason(sidecar: RunningSidecar) -> None:
    done = warm(sidecar.port, "away")
    assert done.returncode == 1
    assert done.stdout.startswith('away: failed: "away.ndjson" can\'t be opened: No such file')


def test_a_run_can_be_cancelled_and_is_not_begun_twice(sidecar: RunningSidecar) -> None:
    assert sidecar.ask("POST", "/v1/warmers/slow/run").status == 202
    again = warm(sidecar.port, "slow")
    assert again.returncode == 1
    assert again.stderr.startswith("Error: The warmer slow is running")
    assert warm(sidecar.port, "slow", "--cancel").returncode == 0
    twice = warm(sidecar.port, "slow", "--cancel")
    assert twice.returncode == 1
    assert twice.stderr == "Error: The warmer slow is not running.\n"


def test_an_unknown_name_says_what_there_is(sidecar: RunningSidecar) -> None:
    done = warm(sidecar.port, "god")
    assert done.returncode == 1
    assert done.stderr == "Error: There is no warmer 'god'. There is: good, away, slow.\n"
    assert warm(sidecar.port, "a/../b").returncode == 2


def test_without_a_sidecar_it_says_so() -> None:
    done = warm(free_port(), "good")
    assert done.returncode == 1
    assert "is a sidecar running there?" in done.stderr
