"""Every command and address in the documentation works as written."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import StartSidecar
from tests.contracts.commands import KINDS, PARSERS, URL, FailedError, Terminal, parse
from tests.contracts.links import prose
from tests.contracts.pages import PAGES, blocks, code, every_page, fenced, shell_lines

LANGUAGES = {"sh", "yaml", ""}
"""Languages of code blocks; a block without one shows output, text or a drawing."""


@pytest.fixture
def terminal(
    tmp_path: Path, start_sidecar: StartSidecar, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    monkeypatch.chdir(tmp_path)
    terminal = Terminal(tmp_path, start_sidecar)
    yield terminal
    terminal.close()


def inline(text: str) -> list[str]:
    """The commands in sentences: a known program, and at least one more word."""
    spans = [" ".join(span.split()) for span in code(prose(text))]
    return [span for span in spans if span.split()[0] in PARSERS and " " in span]


def unlabelled(text: str) -> list[str]:
    """The commands in blocks that are not marked as shell."""
    lines = [line for block in blocks("", text) for line in block.splitlines()]
    return [line for line in lines if re.match(rf"({'|'.join(map(re.escape, KINDS))}) \S", line)]


@every_page
def test_commands_work_in_the_order_of_the_page(page: Path, terminal: Terminal) -> None:
    for line in shell_lines(page.read_text()):
        terminal.type(line)


def test_there_are_commands_of_every_kind() -> None:
    """So that no test here passes because it found no commands."""
    lines = [line for page in PAGES for line in shell_lines(page.read_text())]
    spans = [span for page in PAGES for span in inline(page.read_text())]
    targets = {line.split()[1] for line in (*lines, *spans) if line.startswith("make ")}
    assert {"run", "setup", "test", "lint", "bench"} <= targets
    assert len([line for line in lines if line.startswith("curl ")]) > 10
    assert len([line for line in lines if line.startswith("cache-sidecar ")]) > 5
    assert len([line for line in lines if line.startswith(("helm ", "kubectl "))]) > 10


@every_page
def test_commands_in_sentences_are_possible(page: Path) -> None:
    """They may have placeholders, so they are parsed but not run."""
    for line in inline(page.read_text()):
        parse(line)


@every_page
def test_addresses_in_sentences_are_answered(page: Path, terminal: Terminal) -> None:
    """This includes the addresses of curl commands."""
    for url in URL.findall(prose(page.read_text())):
        with urllib.request.urlopen(terminal.here(url.rstrip("."))) as answer:
            assert answer.status == 200


@every_page
def test_every_block_is_of_a_kind_that_is_tested(page: Path) -> None:
    text = page.read_text()
    assert {language for language, _ in fenced(text)} <= LANGUAGES
    assert text.count("```") == 2 * len(fenced(text)), "a fence is indented or not closed"
    assert unlabelled(text) == []
    for block in blocks("yaml", text):
        if "{{" not in block:
            yaml.safe_load(block)


# ---- what is broken is found


@pytest.mark.parametrize(
    "line",
    [
        "curl http://127.0.0.1:7070/v1/nowhere",
        "cache-sidecar optimizer nothing",
        "cache-sidecar check nowhere",
        "make nothing",
        "helm dependency bild shop",
        "helm install a helm/nowhere",
        "helm upgrade --instal shop shop",
        "kubectl port-foward pod 7070",
        "kubectl logs POD --bogus",
        "python -m tests.bench.nothing",
    ],
)
def test_a_command_that_does_not_work_fails(line: str, terminal: Terminal) -> None:
    with pytest.raises(FailedError):
        terminal.type(line)


def test_a_command_of_an_unknown_kind_fails(terminal: Terminal) -> None:
    with pytest.raises(FailedError, match="kind"):
        terminal.type("rm -rf shop")


def test_a_command_without_its_language_is_found() -> None:
    assert unlabelled("```\nkubectl logs POD\n```\n") == ["kubectl logs POD"]
