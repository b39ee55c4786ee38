"""Metrics, calls and flags in any page exist."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from sidecar.cli import main
from tests.contracts.links import prose
from tests.contracts.pages import PAGES, ROOT, code, first_column, read

API = read("docs/http-api.md")
METRICS = read("docs/signals-and-metrics.md")


def test_flags_that_any_page_names_exist() -> None:
    """Those of the sidecar's commands; pages of the charts also have flags of Helm and kubectl."""
    known = set(flags_of(main))
    for page in PAGES:
        if ROOT / "helm" not in page.parents:
            spans = code(prose(page.read_text()))
            named = {re.split(r"[ =]", span)[0] for span in spans if span.startswith("--")}
            assert named <= known, page


def flags_of(command: click.Command) -> Iterator[str]:
    """The flags of a command and its subcommands."""
    for parameter in command.params:
        yield from parameter.opts
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from flags_of(below)


def test_metrics_that_any_page_names_exist() -> None:
    """A family of the table, or a part of its histogram."""
    cells = " ".join(first_column(METRICS, "name"))
    families = set(re.findall(r"cache_sidecar_\w+", cells))
    for page in PAGES:
        named = set(re.findall(r"\bcache_sidecar_\w+", page.read_text()))
        assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in named} <= families, page


def test_calls_that_any_page_names_exist() -> None:
    """The paths of the data API are in the table of calls."""
    calls = set(re.findall(r"/v1/[^`\s,?]*", " ".join(first_column(API, "call"))))
    for page in PAGES:
        named = {span.split()[-1].partition("?")[0] for span in code(prose(page.read_text()))}
        assert {path for path in named if path.startswith("/v1/")} <= calls, page
