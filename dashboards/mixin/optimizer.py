"""The optimizer: what it changed and when, what came of it, and what its rules look at."""

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
    """What it did, and whether it helped."""
    return dashboard(
        "cache-sidecar-optimizer",
        "cache-sidecar / Optimizer",
        "What the optimizer changed, and whether it helped. Each change is marked when it ended: a "
        "green one stays; orange ones had no effect and red ones did harm, and both were undone.",
        {
            "At a glance": _at_a_glance(),
            "Trials": _trials(),
            "Rules": [_rules()],
            "Signals": [*_distances(), *_signals()],
        },
    )


def _at_a_glance() -> list[Builder[Panel]]:
    looks = f"60 * avg(rate({series('optimizer_ticks_total')}[$__rate_interval]))"
    return [
        *(
            figure(
                name,
                f"Changes in the time shown that ended as {outcomes.replace('|', ' or ')}.",
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
            "Pods by level, which says how much may be changed at a time, and how often.",
            "none",
            Query(f"count by (level) ({series('optimizer_level')})", "{{level}}"),
            {BELOW: BLUE},
            width=4,
        ),
        figure(
            "Looks a minute",
            "Times a minute that a pod evaluates the conditions of its rules.",
            "none",
            Query(looks, "Looks"),
            width=4,
        ),
    ]


def _trials() -> list[Builder[Panel]]:
    target = aggregated("max", (), series("target", 'signal="cache.hit_ratio"'))
    ratio = lines(
        "Hit ratio and trials",
        "Hit ratio of all selected pods; dashed what it should be. Marked are trials that ended.",
        "percentunit",
        Query(hit_ratio(), "hit ratio"),
        Query(target, "target"),
        most=1,
    )
    ended = growth(OUTCOMES, by=["outcome"], over="$__rate_interval")
    outcomes = bars(
        "Outcomes", "Changes that ended, by what came of them.", "none", Query(ended, "{{outcome}}")
    )
    colours = {outcome: colour for _, names, colour in TRIALS for outcome in names.split("|")}
    limits = lines(
        "Limits of the tiers",
        "Entries that each tier may hold in all selected pods: what rules turn most.",
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
            "Changes in the time shown, by rule and by what came of them.",
            "rule",
            "outcome",
            by_rule,
        ),
        lines(
            "Before and after",
            "What each rule's last trial measured before and after its change, in the unit of its "
            "signal; the mean of the selected pods.",
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
        "What was compared, in the unit of the rule's signal, and the difference as a share of "
        "before; positive is better.",
        "short",
        columns,
        *(before, after, effect, f"1000 * {ended}"),
    )
    return unit_of(unit_of(panel, "effect", "percentunit"), "ended", "dateTimeFromNow")


def _rules() -> Builder[Panel]:
    return states(
        "State of each rule",
        "Inactive: its condition is false. Pending: it is true, though not for long enough yet. "
        "Active: its change is on trial, or held. Cooling down: it waits before it acts again. "
        "Unavailable: a signal of its has no value. Disabled: by the document, or by the level. "
        "Of several pods, the state furthest to the right in this list.",
        [(state.replace("_", " "), STATE_COLOURS[state]) for state in STATES],
        Query(coded("optimizer_rule_state", "state", STATES, ["rule"]), "{{rule}}"),
        width=24,
    )


def _distances() -> Iterator[Builder[Panel]]:
    for aim, meaning in (("target", "should be"), ("baseline", "usually are")):
        distance = aggregated("avg", ["signal"], series(f"{aim}_distance_ratio"))
        yield lines(
            f"Distance to the {aim}",
            f"How far signals are from what they {meaning}, as a share of it; positive is better.",
            "percentunit",
            Query(distance, "{{signal}}"),
            least=None,
        )


def _signals() -> Iterator[Builder[Panel]]:
    """Those that have a baseline or a target, one panel a unit."""
    for unit, (title, grafana) in UNITS.items():
        names = [signal.name for signal in CATALOGUE.signals.values() if signal.unit == unit]
        panel = lines(
            f"{title} with a baseline",
            f"Signals that are {title.lower()} and have a baseline or a target, both dashed; the "
            "mean of the selected pods.",
            grafana,
            Query(of_signals("signal", names), "{{signal}}"),
            Query(of_signals("baseline", names), "baseline of {{signal}}"),
            Query(of_signals("target", names), "target of {{signal}}"),
        )
        yield dashed(dashed(panel, "/^baseline of/", GREY), "/^target of/", GREEN)
