"""The optimizer: its changes, their outcomes, and the signals that its rules read."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Panel

from dashboards.mixin.frame import TRIALS, dashboard
from dashboards.mixin.panels import (
    BELOW,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    Query,
    bars,
    coloured,
    dashed,
    figure,
    lines,
    matrix,
    of_tiers,
    rows,
    states,
    unit_of,
)
from dashboards.mixin.queries import (
    POD,
    aggregated,
    coded,
    growth,
    hit_ratio,
    of_signals,
    or_zero,
    series,
    total,
)
from sidecar.catalogue import CATALOGUE
from sidecar.optimizer.standing import STATES
from sidecar.signals.signal import Unit

OUTCOMES = "optimizer_outcomes_total"
STATE_COLOURS = {
    "inactive": GREY,
    "pending": "yellow",
    "active": GREEN,
    "cooling_down": BLUE,
    "unavailable": ORANGE,
    "disabled": "dark-red",
}
UNITS: dict[Unit, tuple[str, str]] = {
    "ratio": ("Ratios", "percentunit"),
    "seconds": ("Durations", "s"),
    "bytes": ("Bytes", "bytes"),
    "per second": ("Rates", "ops"),
    "count": ("Counts", "none"),
}
"""A panel's title and Grafana's unit for each unit of a signal."""


def optimizer() -> builders.Dashboard:
    """The optimizer's changes and their effect."""
    return dashboard(
        "cache-sidecar-optimizer",
        "cache-sidecar / Optimizer",
        "What the optimizer changed, and whether it helped. An annotation marks the end of each "
        "trial: green changes were kept, orange ones had no effect, red ones were harmful; both of "
        "the latter were rolled back.",
        {
            "At a glance": _at_a_glance(),
            "Trials": _trials(),
            "Rules": [_rules()],
            "Signals": [*_distances(), *_signals()],
        },
    )


def _at_a_glance() -> list[Builder[Panel]]:
    ticks = f"60 * avg(rate({series('optimizer_ticks_total')}[$__rate_interval]))"
    return [
        *(
            figure(
                name,
                f"Changes in the time range with the outcome {outcomes.replace('|', ' or ')}.",
                "none",
                Query(or_zero(growth(OUTCOMES, f'outcome=~"{outcomes}"')), name),
                {BELOW: colour},
                width=4,
                course=False,
            )
            for name, outcomes, colour in TRIALS
        ),
        figure(
            "Level",
            "Number of pods by level. The level limits the size and the frequency of changes.",
            "none",
            Query(f"count by (level) ({series('optimizer_level')})", "{{level}}"),
            {BELOW: BLUE},
            width=4,
        ),
        figure(
            "Ticks per minute",
            "How often per minute a pod evaluates the conditions of its rules.",
            "none",
            Query(ticks, "Ticks"),
            width=4,
        ),
    ]


def _trials() -> list[Builder[Panel]]:
    target = aggregated("max", (), series("target", 'signal="cache.hit_ratio"'))
    ratio = lines(
        "Hit ratio and trials",
        "Hit ratio of all selected pods. The dashed line is the target; annotations mark trials.",
        "percentunit",
        Query(hit_ratio(), "hit ratio"),
        Query(target, "target"),
        most=1,
    )
    ended = growth(OUTCOMES, by=["outcome"], over="$__rate_interval")
    outcomes = bars("Outcomes", "Finished trials by outcome.", "none", Query(ended, "{{outcome}}"))
    colours = {outcome: colour for _, names, colour in TRIALS for outcome in names.split("|")}
    limits = lines(
        "Limits of the tiers",
        "Maximum number of entries of each tier, in all selected pods.",
        "none",
        Query(total("capacity_entries", by=["tier"]), "{{tier}}"),
    )
    by_rule = f"{growth(OUTCOMES, by=['rule', 'outcome'])} > 0"
    return [
        dashed(ratio, "/^target/", GREY),
        coloured(outcomes, colours),
        _last_trials(),
        matrix(
            "Outcomes by rule",
            "Changes in the time range, by rule and outcome.",
            "rule",
            "outcome",
            by_rule,
        ),
        lines(
            "Before and after",
            "The signal before and after the change in each rule's last trial, in the signal's "
            "unit, averaged over the selected pods.",
            "short",
            Query(
                aggregated("avg", ["rule"], series("optimizer_trial_before")), "{{rule}}, before"
            ),
            Query(aggregated("avg", ["rule"], series("optimizer_trial_after")), "{{rule}}, after"),
        ),
        of_tiers(limits),
    ]


def _last_trials() -> Builder[Panel]:
    columns = {
        **{label: label for label in ("namespace", "pod", "rule")},
        "Value #A": "before",
        "Value #B": "after",
        "Value #C": "effect",
        "Value #D": "ended",
    }
    by = (*POD, "rule")
    names = ("trial_before", "trial_after", "effect_ratio", "trial_timestamp_seconds")
    before, after, effect, ended = (
        aggregated("max", by, series(f"optimizer_{name}")) for name in names
    )
    panel = rows(
        "Last trial of each rule",
        "The signal before and after the change, in its unit, and the effect as a share of the "
        "value before. A positive effect is an improvement.",
        "short",
        columns,
        *(before, after, effect, f"1000 * {ended}"),
    )
    return unit_of(unit_of(panel, "effect", "percentunit"), "ended", "dateTimeFromNow")


def _rules() -> Builder[Panel]:
    return states(
        "State of each rule",
        "Inactive: the condition is false. Pending: the condition is true, but not yet for long "
        "enough. Active: a change is on trial or in force. Cooling down: the rule waits for its "
        "cooldown. Unavailable: a signal of the rule has no value. Disabled: by the document or by "
        "the level. If pods differ, the panel shows the last of their states in this list.",
        [(state.replace("_", " "), STATE_COLOURS[state]) for state in STATES],
        Query(coded("optimizer_rule_state", "state", STATES, ["rule"]), "{{rule}}"),
        width=24,
    )


def _distances() -> Iterator[Builder[Panel]]:
    for aim in ("target", "baseline"):
        distance = aggregated("avg", ["signal"], series(f"{aim}_distance_ratio"))
        yield lines(
            f"Distance to the {aim}",
            f"Distance of each signal to its {aim}, as a share of the {aim}. Positive is better.",
            "percentunit",
            Query(distance, "{{signal}}"),
            least=None,
        )


def _signals() -> Iterator[Builder[Panel]]:
    """The signals with a baseline or a target, one panel per unit."""
    for unit, (title, grafana) in UNITS.items():
        names = [signal.name for signal in CATALOGUE.signals.values() if signal.unit == unit]
        panel = lines(
            f"{title} with a baseline",
            f"{title} that have a baseline or a target, averaged over the selected pods. Baselines "
            "and targets are dashed.",
            grafana,
            Query(of_signals("signal", names), "{{signal}}"),
            Query(of_signals("baseline", names), "baseline of {{signal}}"),
            Query(of_signals("target", names), "target of {{signal}}"),
        )
        yield dashed(dashed(panel, "/^baseline of/", GREY), "/^target of/", GREEN)
