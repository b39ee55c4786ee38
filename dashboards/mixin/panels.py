"""Panels in the style of all dashboards: colours, legends, units, sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

GREEN, ORANGE, RED, GREY, BLUE = "green", "orange", "red", "#7F7F7F", "blue"
TIER_COLOURS = {"l1": "#0072B2", "l2": "#009E73", "l3": "#E69F00"}
"""The colour of each tier on every panel, distinguishable with colour blindness."""

HEIGHT = 8
BAR = "2m"
"""The width of a bar: usually at least four scrapes. `$__rate_interval` is never shorter than that,
so a narrower bar would count events of the bars before it again.
"""

DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

P = TypeVar("P", timeseries.Panel, stat.Panel, bargauge.Panel, statetimeline.Panel, table.Panel)


Steps = Mapping[float, str]
"""The colour from each value upwards; below the lowest it is green, or that of BELOW."""
BELOW = float("-inf")


@dataclass(frozen=True)
class Query:
    """An expression, and the legend of its series: a text with `{{label}}` in it."""

    expr: str
    legend: str


def lines(
    title: str,
    text: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    most: float | None = None,
    least: float | None = 0.0,
) -> timeseries.Panel:
    """Lines over time. `unit` is one of Grafana's; `width` is in columns, of 24."""
    panel = _framed(timeseries.Panel(), title, text, unit, width)
    panel.line_width(2).fill_opacity(0).show_points(options.VisibilityMode.NEVER)
    panel.legend(_legend()).tooltip(_tooltip())
    if least is not None:
        panel.min(least)
    if most is not None:
        panel.max(most)
    return _asked(panel, queries)


def areas(
    title: str, text: str, unit: str, *queries: Query, width: int = 12, most: float | None = None
) -> timeseries.Panel:
    """Stacked areas."""
    panel = lines(title, text, unit, *queries, width=width, most=most)
    return panel.line_width(1).fill_opacity(60).stacking(_stacked())


def bars(title: str, text: str, unit: str, *queries: Query, width: int = 12) -> timeseries.Panel:
    """Stacked bars for rare events, each at least BAR wide."""
    panel = lines(title, text, unit, *queries, width=width).interval(BAR)
    return panel.draw_style(options.GraphDrawStyle.BARS).fill_opacity(80).stacking(_stacked())


def figure(
    title: str,
    text: str,
    unit: str,
    query: Query,
    steps: Steps | None = None,
    *,
    width: int = 3,
    course: bool = True,
) -> stat.Panel:
    """The current value, in the colour of the highest step it reaches, with a sparkline if
    `course`. Without one, the expression is evaluated once, over the whole time range.
    """
    panel = _framed(stat.Panel(), title, text, unit, width).height(4)
    mode = options.BigValueGraphMode.AREA if course else options.BigValueGraphMode.NONE
    panel.graph_mode(mode).color_mode(options.BigValueColorMode.VALUE)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.thresholds(_thresholds(steps or {}))
    return _asked(panel, [query], instant=not course)


def ranking(
    title: str, text: str, unit: str, query: Query, steps: Steps, *, width: int = 6
) -> bargauge.Panel:
    """Horizontal bars of the current values from 0 to 1, one per series."""
    panel = _framed(bargauge.Panel(), title, text, unit, width)
    panel.orientation(options.VizOrientation.HORIZONTAL).min(0).max(1)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.display_mode(options.BarGaugeDisplayMode.BASIC).thresholds(_thresholds(steps))
    return _asked(panel, [query], instant=True)


def states(
    title: str, text: str, names: Sequence[tuple[str, str]], query: Query, *, width: int = 12
) -> statetimeline.Panel:
    """States over time, one bar per series; `names` are the text and colour of 0, 1, 2, ..."""
    panel = _framed(statetimeline.Panel(), title, text, "none", width)
    results = {
        str(value): models.ValueMappingResult(text=text, color=colour, index=value)
        for value, (text, colour) in enumerate(names)
    }
    panel.mappings([models.ValueMap(options=results)])
    panel.show_value(options.VisibilityMode.NEVER).merge_values(True).fill_opacity(80)
    panel.legend(_legend(figures=False))
    return _asked(panel, [query])


def rows(title: str, text: str, unit: str, columns: Mapping[str, str], *exprs: str) -> table.Panel:
    """A table of current values: the series of all expressions, joined by their labels.

    `columns` are the fields to show, in order, with their titles. A field is a label, or the value
    of an expression: `Value #A`, `Value #B`, or `Value` if there is only one.
    """
    panel = _framed(table.Panel(), title, text, unit, 12)
    panel.with_transformation(_transformation("merge", {}))
    panel.with_transformation(
        _transformation("filterFieldsByName", {"include": {"names": list(columns)}})
    )
    places = {name: place for place, name in enumerate(columns)}
    panel.with_transformation(
        _transformation("organize", {"indexByName": places, "renameByName": dict(columns)})
    )
    queries = [Query(expr, "") for expr in exprs]
    return _asked(panel, queries, instant=True, form=PromQueryFormat.TABLE)


def matrix(title: str, text: str, row: str, column: str, expr: str) -> table.Panel:
    """A table of current values with a row for each value of one label and a column for each value
    of another.
    """
    panel = _framed(table.Panel(), title, text, "none", 12)
    grouping = {"rowField": row, "columnField": column, "valueField": "Value", "emptyValue": "zero"}
    panel.with_transformation(_transformation("groupingToMatrix", grouping))
    panel.with_transformation(
        _transformation("organize", {"renameByName": {f"{row}\\{column}": row}})
    )
    return _asked(panel, [Query(expr, "")], instant=True, form=PromQueryFormat.TABLE)


def coloured(panel: P, colours: Mapping[str, str]) -> P:
    """Series in fixed colours, by name."""
    for name, colour in colours.items():
        fixed = {"mode": "fixed", "fixedColor": colour}
        panel.override_by_name(name, [models.DynamicConfigValue(id_val="color", value=fixed)])
    return panel


def of_tiers(panel: P) -> P:
    """Series that are named after tiers, in the tiers' colours."""
    return coloured(panel, TIER_COLOURS)


def dashed(panel: timeseries.Panel, pattern: str, colour: str) -> timeseries.Panel:
    """Series whose name matches the pattern, such as targets, as a dashed line."""
    properties: list[tuple[str, Any]] = [
        ("custom.lineStyle", {"fill": "dash", "dash": [8, 8]}),
        ("color", {"mode": "fixed", "fixedColor": colour}),
    ]
    return panel.override_by_regexp(
        pattern, [models.DynamicConfigValue(id_val=name, value=value) for name, value in properties]
    )


def unit_of(panel: table.Panel, column: str, unit: str) -> table.Panel:
    """Sets the unit of one column, by its title."""
    return panel.override_by_name(column, [models.DynamicConfigValue(id_val="unit", value=unit)])


def _framed(panel: P, title: str, text: str, unit: str, width: int) -> P:
    panel.title(title).description(text).unit(unit)
    panel.datasource(DATASOURCE).span(width).height(HEIGHT)
    return panel


def _asked(
    panel: P,
    queries: Sequence[Query],
    *,
    instant: bool = False,
    form: PromQueryFormat = PromQueryFormat.TIME_SERIES,
) -> P:
    for query, name in zip(queries, ascii_uppercase, strict=False):
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend)
        target.ref_id(name).format(form).datasource(DATASOURCE)
        panel.with_target(target.instant() if instant else target.range())
    return panel


def _legend(*, figures: bool = True) -> common.VizLegendOptions:
    legend = common.VizLegendOptions().placement(options.LegendPlacement.BOTTOM).show_legend(True)
    if not figures:
        return legend.display_mode(options.LegendDisplayMode.LIST).calcs([])
    return legend.display_mode(options.LegendDisplayMode.TABLE).calcs(["mean", "lastNotNull"])


def _tooltip() -> common.VizTooltipOptions:
    return (
        common.VizTooltipOptions()
        .mode(options.TooltipDisplayMode.MULTI)
        .sort(options.SortOrder.DESCENDING)
    )


def _stacked() -> common.StackingConfig:
    return common.StackingConfig().mode(options.StackingMode.NORMAL).group("A")


def _thresholds(steps: Steps) -> builders.ThresholdsConfig:
    base = models.Threshold(color=steps.get(BELOW, GREEN))
    others = [
        models.Threshold(value=value, color=colour)
        for value, colour in steps.items()
        if value != BELOW
    ]
    mode = models.ThresholdsMode.ABSOLUTE
    return builders.ThresholdsConfig().mode(mode).steps([base, *others])


def _transformation(name: str, settings: dict[str, Any]) -> models.DataTransformerConfig:
    return models.DataTransformerConfig(id_val=name, options=settings)
