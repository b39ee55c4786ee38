"""The parts that all dashboards share: variables, links, annotations of trials, and the JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from dashboards.mixin.panels import BLUE, DATASOURCE, GREEN, ORANGE, RED
from dashboards.mixin.queries import POD, PREFIX, SELECTED, growth

TAG = "cache-sidecar"
ALL = "(?s).*"
"""Also matches newlines, which `.` alone does not."""

TRIALS = (
    ("Changes kept", "improved|applied", GREEN),
    ("Changes without effect", "neutral|failed|interrupted", ORANGE),
    ("Harmful changes", "regressed", RED),
    ("Dry-run changes", "dry_run", BLUE),
)
"""Groups of outcomes: name, outcomes, colour."""


def dashboard(
    uid: str,
    title: str,
    text: str,
    sections: Mapping[str, Sequence[Builder[models.Panel]]],
    *,
    one_pod: bool = False,
) -> builders.Dashboard:
    """Rows of panels by title, for one pod or for all selected pods."""
    board = builders.Dashboard(title).uid(uid).description(text).tags([TAG])
    board.timezone("browser").time("now-6h", "now").refresh("30s").readonly()
    board.tooltip(models.DashboardCursorSync.CROSSHAIR)
    for variable in _variables(one_pod=one_pod):
        board.with_variable(variable)
    for name, outcomes, colour in TRIALS:
        board.annotation(_Trials(name, outcomes, colour))
    link = builders.DashboardLink("cache-sidecar").type(models.DashboardLinkType.DASHBOARDS)
    board.link(link.tags([TAG]).include_vars(True).keep_time(True).as_dropdown(False))
    for heading, panels in sections.items():
        board.with_row(builders.Row(heading))
        for panel in panels:
            board.with_panel(panel)
    return board


def text_of(board: builders.Dashboard) -> str:
    """The JSON as it is checked in. Panels are numbered in order."""
    made: dict[str, Any] = json.loads(json.dumps(board.build(), cls=JSONEncoder))
    for number, panel in enumerate(made["panels"], start=1):
        panel["id"] = number
    return json.dumps(made, indent=2, sort_keys=True) + "\n"


def _variables(*, one_pod: bool) -> Iterator[Builder[models.VariableModel]]:
    yield builders.DatasourceVariable("datasource").label("Data source").type("prometheus")
    namespace, workload = SELECTED[:2]
    yield _label("namespace", f"{PREFIX}build_info")
    yield _label("workload", f"{PREFIX}build_info{{{namespace}}}")
    pods = _label("pod", f"{PREFIX}build_info{{{namespace}, {workload}}}")
    if one_pod:
        pods.include_all(False).multi(False).current(models.VariableOption(text="", value=""))
    yield pods


def _label(name: str, selected: str) -> builders.QueryVariable:
    """A variable with the values of a label of these series; several can be selected."""
    variable = builders.QueryVariable(name).label(name.capitalize()).datasource(DATASOURCE)
    variable.query(f"label_values({selected}, {name})")
    variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    variable.sort(models.VariableSort.ALPHABETICAL_ASC)
    variable.current(models.VariableOption(selected=True, text="All", value="$__all"))
    return variable.include_all(True).multi(True).all_value(ALL)


class _Trials(Builder[models.AnnotationQuery]):
    """Marks trials with one of these outcomes, from their end to a few scrapes later."""

    def __init__(self, name: str, outcomes: str, colour: str) -> None:
        matcher = f'outcome=~"{outcomes}"'
        by = [*POD, "rule", "outcome"]
        ended = growth("optimizer_outcomes_total", matcher, by=by, over="$__rate_interval")
        self._query = _PrometheusAnnotation(
            name=name, datasource=DATASOURCE, enable=True, icon_color=colour, expr=f"{ended} > 0"
        )

    def build(self) -> models.AnnotationQuery:
        return self._query


class _PrometheusAnnotation(models.AnnotationQuery):
    """Adds fields that Grafana's Prometheus data source reads and the library lacks."""

    def to_json(self) -> dict[str, object]:
        return super().to_json() | {
            "step": "30s",
            "titleFormat": "{{rule}}: {{outcome}}",
            "textFormat": "{{namespace}}/{{pod}}",
            "tagKeys": "rule,outcome",
            "useValueForTime": False,
        }
