"""What is checked in: made by the program as it is, complete, and alike to look at everywhere."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dashboards.mixin.__main__ import files
from dashboards.mixin.panels import TIER_COLOURS
from tests.contracts.pages import code, expanded, first_column, read
from tests.dashboards.boards import (
    ALERTS_FILE,
    BOARDS,
    FOLDER,
    RECORDS_FILE,
    panels,
    rules,
    targets,
)

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
every_board = pytest.mark.parametrize("board", BOARDS)
METRIC = re.compile(r"\bcache_sidecar_\w+")
HISTOGRAM_PARTS = re.compile(r"_(bucket|sum|count)$")


def test_the_files_are_those_that_the_program_makes() -> None:
    """`make dashboards` changes nothing, and there is no file that it does not make."""
    made = files()
    assert {path.name for path in FOLDER.iterdir() if path.suffix in {".json", ".yaml"}} == set(
        made
    )
    for name, text in made.items():
        assert (FOLDER / name).read_text() == text, f"{name}: run make dashboards"


@every_board
def test_a_dashboard_can_be_found_again(board: str) -> None:
    """A fixed UID that is its file's name, no number of one Grafana, and links to the others."""
    made = BOARDS[board]
    assert made["uid"] == board
    assert made.get("id") is None
    assert made["description"]
    [link] = made["links"]
    assert link["tags"] == made["tags"]
    assert link["includeVars"]


@every_board
def test_a_dashboard_has_the_four_variables(board: str) -> None:
    """Each narrows the next one down; the data source is one, and nothing names another."""
    made = BOARDS[board]["templating"]["list"]
    assert [variable["name"] for variable in made] == ["datasource", "namespace", "workload", "pod"]
    for number, variable in enumerate(made[1:], start=1):
        assert variable["datasource"] == DATASOURCE
        for wider in made[1:number]:
            assert f'{wider["name"]}=~"${wider["name"]}"' in variable["query"]
    assert not (made[3].get("multi") and board == "cache-sidecar-tiers")


@every_board
def test_trials_are_marked_on_every_dashboard(board: str) -> None:
    """Every outcome in one of the annotations, each of which says whose trial it was."""
    trials = [each for each in BOARDS[board]["annotations"]["list"] if "expr" in each]
    marked = "|".join(re.findall(r'outcome=~"([^"]+)"', " ".join(each["expr"] for each in trials)))
    outcomes = {cell.strip("`") for cell in first_column(read("docs/optimizer.md"), "outcome")}
    assert set(marked.split("|")) == outcomes
    for each in trials:
        assert each["datasource"] == DATASOURCE
        assert "{{rule}}" in each["titleFormat"]
        assert "{{pod}}" in each["textFormat"]


@every_board
def test_every_panel_says_what_it_shows(board: str) -> None:
    """A title of its own, a description in sentences, a unit, queries with names and a legend."""
    titles = [panel["title"] for panel in panels(board)]
    assert len(titles) == len(set(titles))
    for panel in panels(board):
        assert re.fullmatch(r"[A-Z0-9].{20,}[.]", panel["description"]), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == DATASOURCE
        names = [target["refId"] for target in panel["targets"]]
        assert names == sorted(set(names))
        assert names
        for target in panel["targets"]:
            assert target["datasource"] == DATASOURCE
            assert (panel["type"] == "table") != bool(target.get("legendFormat")), panel["title"]


def test_what_happened_once_is_in_one_bar() -> None:
    """Where `increase` is drawn, a step is as long as Grafana's shortest window for it: four
    scrapes, which at an interval of half a minute are two minutes.
    """
    drawn = [
        panel
        for board in BOARDS
        for panel in panels(board)
        if any("increase(" in it["expr"] and not it.get("instant") for it in panel["targets"])
    ]
    assert {panel["title"] for panel in drawn} == {"Container restarts", "L3 restarts", "Outcomes"}
    assert {panel["interval"] for panel in drawn} == {"2m"}


@every_board
def test_no_panel_lies_on_another(board: str) -> None:
    """Each within the 24 columns, where no other is."""
    taken: set[tuple[int, int]] = set()
    for panel in BOARDS[board]["panels"]:
        at = panel["gridPos"]
        cells = {
            (column, row)
            for column in range(at["x"], at["x"] + at["w"])
            for row in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def test_a_tier_has_one_colour_everywhere() -> None:
    """Wherever a series is named like a tier, it is in that tier's colour."""
    coloured = 0
    for board in BOARDS:
        for panel in panels(board):
            legends = {target.get("legendFormat") for target in panel["targets"]}
            if panel["type"] == "stat" or not legends & {"{{tier}}", *TIER_COLOURS}:
                continue
            assert _colours(panel).items() >= TIER_COLOURS.items(), panel["title"]
            coloured += 1
    assert coloured >= 15


def _colours(panel: Any) -> dict[str, str]:
    return {
        override["matcher"]["options"]: each["value"]["fixedColor"]
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "color" and override["matcher"]["id"] == "byName"
    }


def test_only_metrics_that_exist_are_asked_for() -> None:
    """Those of the documented table, which is held against the program."""
    table = first_column(read("docs/signals-and-metrics.md"), "name")
    written = {name.partition("{")[0] for cell in table for name in code(cell)}
    recorded = {rule["record"] for rule in rules(RECORDS_FILE)}
    exprs = [target.expr for target in targets()]
    exprs += [rule["expr"] for path in (RECORDS_FILE, ALERTS_FILE) for rule in rules(path)]
    for expr in exprs:
        for record in re.findall(r"\w+:\w+:\w+", expr):
            assert record in recorded, expr
        for name in METRIC.findall(re.sub(r"\w+:\w+:\w+", "", expr)):
            assert name in written or HISTOGRAM_PARTS.sub("", name) in written, expr


def test_signals_that_are_asked_for_exist() -> None:
    """Each signal of the documented table is in the one panel of its unit."""
    named = {
        signal
        for target in targets()
        for found in re.findall(r'signal=~"([^"]+)"', target.expr)
        for signal in found.split("|")
    }
    cells = first_column(read("docs/signals-and-metrics.md"), "signal")
    written = {name for cell in cells for pattern in code(cell) for name in expanded(pattern)}
    assert named == written
