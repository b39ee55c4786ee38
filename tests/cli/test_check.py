"""The exit codes and the output of `cache-sidecar check`, which CI jobs rely on."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sidecar.cli.check import check
from sidecar.config.values import revision


def run(*arguments: str | Path) -> Result:
    """Run the command with these arguments."""
    return CliRunner().invoke(check, [str(argument) for argument in arguments])


def test_a_good_document_is_answered_with_its_revision(tmp_path: Path) -> None:
    """Exit code 0, and the same revision as in the running sidecar."""
    text = "tiers: {l1: {policy: w_tinylfu, window: 0.1}}"
    (tmp_path / "cache.yaml").write_text(text)
    result = run(tmp_path)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == f"ok: revision {revision({'cache.yaml': text})}"
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ("", "rules: 12, 8 of them run at level balanced"),
        (
            "level: maximum\ndry_run: true",
            "rules: 12, 12 of them run at level maximum, as a dry run",
        ),
        ("rules: []", "rules: 0, 0 of them run at level balanced"),
        ("enabled: false", "rules: 12, none of them runs, since the optimizer is disabled"),
    ],
)
def test_a_good_document_is_answered_with_what_is_in_force(
    tmp_path: Path, rules: str, sentence: str
) -> None:
    """The rules and baselines, stated or default."""
    (tmp_path / "rules.yaml").write_text(rules)
    (tmp_path / "baselines.yaml").write_text("baselines: {cpu.pressure: {baseline: learn}}")
    assert run(tmp_path).stdout.splitlines()[1:] == [sentence, "baselines: 1"]


def test_an_empty_folder_is_good(tmp_path: Path) -> None:
    """All files are optional."""
    assert run(tmp_path).exit_code == 0


def test_every_mistake_is_a_line_on_stderr(tmp_path: Path) -> None:
    """Exit code 1; nothing on stdout, so that a script cannot mistake it for a revision."""
    (tmp_path / "cache.yaml").write_text("promote_after: 0\nspeed: 1\n")
    (tmp_path / "rules.yaml").write_text("level: hot\nrules: [{}]\n")
    (tmp_path / "baselines.yaml").write_text("a: [")
    result = run(tmp_path)
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0] == "cache.yaml:1: promote_after: 0 is too small; write at least 1"
    assert lines[1].startswith("cache.yaml:2: speed: unknown key; ")
    assert lines[2].startswith("baselines.yaml:1: not well-formed YAML ")
    assert lines[3].startswith('rules.yaml:1: level: "hot" is not valid here; ')
    assert lines[4] == "rules.yaml:2: rules[0].action: the key is missing; add it"
    assert len(lines) == 8


@pytest.mark.parametrize(
    ("option", "tier", "sentence"),
    [
        ("--memory-limit", "l2", "max_bytes above the memory limit of the container"),
        ("--data-limit", "l3", "max_bytes above the data limit of 512MiB"),
    ],
)
def test_a_size_is_held_against_the_limit_that_is_given(
    tmp_path: Path, option: str, tier: str, sentence: str
) -> None:
    """A configuration that fits without a limit does not fit into 512 MiB."""
    (tmp_path / "cache.yaml").write_text(f"tiers: {{{tier}: {{max_bytes: 1GiB}}}}")
    assert run(tmp_path).exit_code == 0
    result = run(tmp_path, option, "512Mi")
    assert result.exit_code == 1
    assert sentence in result.stderr


def test_what_a_memory_limit_leaves_is_printed(tmp_path: Path) -> None:
    """The sizes in force, and the largest value: both may be less than the defaults."""
    lines = run(tmp_path, "--memory-limit", "321Mi").stdout.splitlines()
    assert lines[-1] == ("memory: max_bytes of l1 10MiB, l2 100MiB, l3 1GiB; max_value_bytes 8MiB")
    small = run(tmp_path, "--memory-limit", "64Mi").stdout.splitlines()[-1]
    assert "l3 off; max_value_bytes 1" in small


def test_a_file_that_cannot_be_read_is_a_mistake_like_any_other(tmp_path: Path) -> None:
    """Exit code 1 with the path, instead of the defaults."""
    (tmp_path / "cache.yaml").mkdir()
    result = run(tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path}/cache.yaml cannot be read" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["missing"], [".", "--memory-limit", "10 potatoes"]])
def test_a_wrong_call_is_told_apart_from_a_wrong_document(arguments: list[str]) -> None:
    """Exit code 2 for no folder, a missing one, or a limit that is not a size."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr
