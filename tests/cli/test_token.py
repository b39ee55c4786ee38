"""Commands that ask a sidecar which has a token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sidecar.cli import main
from tests.running import RunningSidecar

TOKEN, WRONG = "s3cr3t-of-the-shop", "gu3ss-of-a-stranger"
CALLS = (
    *("stats", "stats --json", "top --count 1 --interval 100ms", "replay TRACE"),
    *("optimizer", "optimizer rules", "optimizer outcomes", "optimizer run", "optimizer reset"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    (folder / "token").write_text(f"{TOKEN}\n")
    (folder / "wrong").write_text(WRONG)
    (folder / "trace").write_text("a\nb\na\n")
    return folder


@pytest.fixture(scope="module")
def sidecar(folder: Path) -> Iterator[RunningSidecar]:
    running = RunningSidecar(folder / "data", ("--token-file", str(folder / "token"))).start()
    yield running
    running.stop()


def call(sidecar: RunningSidecar, folder: Path, line: str, **environment: str) -> Result:
    environment["CACHE_SIDECAR_URL"] = f"http://127.0.0.1:{sidecar.port}"
    arguments = line.replace("TRACE", str(folder / "trace")).split()
    return CliRunner().invoke(main, arguments, env=environment)


@pytest.mark.parametrize("line", CALLS)
def test_a_command_sends_the_token_of_its_file(
    sidecar: RunningSidecar, folder: Path, line: str
) -> None:
    """By the flag, or by the variable that the sidecar's own container has."""
    file = str(folder / "token")
    assert call(sidecar, folder, f"{line} --token-file {file}").exit_code == 0
    said = call(sidecar, folder, line, CACHE_SIDECAR_TOKEN_FILE=file)
    assert said.exit_code == 0
    assert TOKEN not in said.output


def test_the_flag_comes_before_the_variable(sidecar: RunningSidecar, folder: Path) -> None:
    """Also before the name of a subcommand."""
    wrong = {"CACHE_SIDECAR_TOKEN_FILE": str(folder / "wrong")}
    for line in ("stats --token-file {}", "optimizer --token-file {} rules"):
        said = call(sidecar, folder, line.format(folder / "token"), **wrong)
        assert said.exit_code == 0, said.output


@pytest.mark.parametrize("line", CALLS)
def test_without_it_one_line_says_what_to_give(
    sidecar: RunningSidecar, folder: Path, line: str
) -> None:
    said = refusal(call(sidecar, folder, line))
    assert said == (
        f"Error: http://127.0.0.1:{sidecar.port} requires a token; give its file by --token-file\n"
    )


@pytest.mark.parametrize("line", CALLS)
def test_a_wrong_one_is_said_to_be_wrong(sidecar: RunningSidecar, folder: Path, line: str) -> None:
    """With the name of the file, and without what is in it."""
    file = folder / "wrong"
    said = refusal(call(sidecar, folder, f"{line} --token-file {file}"))
    assert f"does not accept the token in {file}; give" in said
    assert WRONG not in said


def test_a_file_without_a_token_is_one_line(sidecar: RunningSidecar, folder: Path) -> None:
    """It is not asked without one."""
    missing = folder / "missing"
    said = refusal(call(sidecar, folder, f"stats --token-file {missing}"))
    assert said.startswith(f"Error: --token-file {missing} cannot be read")


def refusal(said: Result) -> str:
    assert said.exit_code == 1
    assert said.stdout == ""
    assert len(said.stderr.splitlines()) == 1
    return said.stderr
