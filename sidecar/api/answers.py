"""What /v1/optimizer and /v1/signals answer, as shapes: the API writes, the command reads them.

JSON has no infinity. A knob whose value is null is unlimited, or never expires; an `effect_ratio`
of null is relative to nothing, or was not measured. The docstrings and descriptions here are those
of `/openapi.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from msgspec import UNSET, Meta, Struct, UnsetType, field

from sidecar.config.values import Better, Level
from sidecar.model.change import Value
from sidecar.model.outcome import Outcome
from sidecar.optimizer.standing import State
from sidecar.signals.signal import Unit

# Strings in the shapes, not literals: a command reads what a sidecar of another version may add.
LevelName = Annotated[str, Meta(extra_json_schema={"enum": [*get_args(Level)]})]
Direction = Annotated[str, Meta(extra_json_schema={"enum": [*get_args(Better)]})]
Shown = Annotated[
    Value | None,
    Meta(
        description="In bytes, seconds or shares, as the knob's meaning states. "
        "null: unlimited, or never; JSON has no infinity."
    ),
]
"""The value of a knob."""
RuleState = Annotated[
    str,
    Meta(
        extra_json_schema={"enum": [*get_args(State)]},
        description="inactive: the condition is false. pending: it is true, and the rule waits. "
        "active: its change is on trial or in force. cooling_down: it acted recently. "
        "unavailable: a value that it needs is missing. disabled: it does not run.",
    ),
]
Reason = Annotated[str, Meta(description="Why, as a sentence.")]
WallTime = Annotated[float, Meta(description="In seconds since 1970.")]
Count = Annotated[int, Meta(ge=0)]


class Change(Struct, frozen=True, kw_only=True):
    """`knob`, `from` and `to` of a knob that is changed; or else `deed`, a one-shot change."""

    knob: Annotated[str, Meta(description="A name of `knobs` in /v1/optimizer.")] | UnsetType = (
        UNSET
    )
    from_: Shown | UnsetType = field(default=UNSET, name="from")
    to: Shown | UnsetType = UNSET
    deed: str | UnsetType = UNSET


class Trial(Struct, frozen=True, kw_only=True):
    """The change under observation. There is one at a time."""

    rule: str
    change: Change
    signal: Annotated[
        str | None,
        Meta(description="The signal that is expected to improve; null for a rule without expect."),
    ]
    before: Annotated[
        float | None,
        Meta(description="That signal over the window before the change, in its unit."),
    ]
    noise: Annotated[
        float | None,
        Meta(
            description="How far the signal moves between two windows without a change, "
            "in its unit. A smaller difference is not significant."
        ),
    ]
    started_at: WallTime
    seconds_left: Annotated[float, Meta(ge=0, description="Until the trial is judged.")]


class Standing(Struct, frozen=True, kw_only=True):
    """The state of a rule at its last evaluation."""

    rule: str
    state: RuleState
    reason: Reason


class Knob(Struct, frozen=True, kw_only=True):
    """A setting that the optimizer can change: its configured value, and the one in force."""

    meaning: str
    configured: Annotated[Shown, Meta(description="The value without the optimizer.")]
    effective: Annotated[Shown, Meta(description="The value in force.")]


Knobs = Annotated[
    dict[str, Knob], Meta(description="By name: everything that the optimizer can change.")
]


class Signal(Struct, frozen=True, kw_only=True):
    """A signal now, and what it should be."""

    value: Annotated[
        float | None,
        Meta(description="Now; null where this machine lacks it, or has too few readings."),
    ]
    unit: Annotated[
        str,
        Meta(description="A ratio is from 0 to 1.", extra_json_schema={"enum": [*get_args(Unit)]}),
    ]
    meaning: str
    better: Annotated[
        Direction | None, Meta(description="Which direction is better; null where neither is.")
    ]
    baseline: Annotated[
        float | None,
        Meta(description="Its usual value, stated or learned, in its unit; null where unknown."),
    ]
    target: Annotated[
        float | None,
        Meta(description="The value it should have, in its unit; null where none is stated."),
    ]


class Overview(Struct, frozen=True, kw_only=True):
    """The state of the optimizer."""

    enabled: Annotated[bool, Meta(description="Whether rules run at all.")]
    dry_run: Annotated[bool, Meta(description="Whether changes are recorded and not made.")]
    level: Annotated[
        LevelName, Meta(description="How much one change may be, how often, and which rules run.")
    ]
    interval_seconds: Annotated[float, Meta(description="Between two evaluations of all rules.")]
    ticks: Annotated[Count, Meta(description="Evaluations of all rules since the start.")]
    trial: Annotated[Trial | None, Meta(description="The change under observation, if any.")]
    rules: Annotated[list[Standing], Meta(description="In the order of their evaluation.")]
    knobs: Knobs
    signals: Annotated[dict[str, Signal], Meta(description="By name.")]


class Expectation(Struct, frozen=True, kw_only=True):
    """What a rule promises; its change is undone otherwise."""

    signal: str
    better: Direction
    by: Annotated[float, Meta(description="The least improvement, as a share of the value before.")]
    window_seconds: Annotated[
        float, Meta(description="How long the signal is measured, before and after.")
    ]
    settle_seconds: Annotated[
        float, Meta(description="How long the change takes effect before it is measured.")
    ]


class Guard(Struct, frozen=True, kw_only=True):
    """What a rule must not cost; its change is undone at once if it does."""

    signal: str
    better: Direction
    worse_by: Annotated[
        float, Meta(description="The largest loss, as a share of the value before.")
    ]
    window_seconds: Annotated[
        float, Meta(description="How long the signal is watched after the change has settled.")
    ]


class Rule(Struct, frozen=True, kw_only=True):
    """A rule, and what an evaluation now would find."""

    rule: str
    would_fire: Annotated[
        bool, Meta(description="Whether an evaluation now would make the change.")
    ]
    state: RuleState
    reason: Reason
    when: Annotated[str, Meta(description="The condition, in CEL.")]
    holds: Annotated[
        bool | None, Meta(description="Whether the condition is true; null if a value is missing.")
    ]
    values: Annotated[
        dict[str, float | None],
        Meta(
            description="Every term of the condition as it is written there, and its value now "
            "in the unit of its signal; null where it is missing."
        ),
    ]
    missing: Annotated[
        list[str],
        Meta(
            description="The terms without a value, those of `expect` and `guard` included: "
            "a signal is unavailable, has too few readings, or has no such baseline."
        ),
    ]
    change: Annotated[
        Change | None,
        Meta(description="What the action would change now, even if the condition is false."),
    ]
    no_change: Annotated[
        str | None, Meta(description="Why there is no such change, as a sentence.")
    ]
    type: str
    level: Annotated[LevelName, Meta(description="The lowest level at which it runs.")]
    action: str
    with_: Annotated[
        Mapping[str, Any],
        Meta(description="The options of the action; shares are from 0 to 1."),
    ] = field(name="with")
    for_seconds: Annotated[float, Meta(description="How long the condition has to hold.")]
    cooldown_seconds: Annotated[
        float,
        Meta(
            description="How long it waits after a change: the configured time, scaled by the "
            "level and by the outcomes of its trials."
        ),
    ]
    expect: Annotated[
        Expectation | None,
        Meta(description="null: it promises nothing; its change stays while the condition holds."),
    ]
    guard: Annotated[Guard | None, Meta(description="null: nothing undoes its change early.")]


class Rules(Struct, frozen=True):
    """Every rule, in the order of evaluation."""

    rules: list[Rule]


MOST_OUTCOMES = 500


class Outcomes(Struct, frozen=True):
    """Changes and their outcomes, the newest first."""

    outcomes: Annotated[list[Outcome], Meta(max_length=MOST_OUTCOMES)]


class Course(Struct, frozen=True, kw_only=True):
    """The value of each signal over each step."""

    step_seconds: Annotated[int, Meta(ge=5, le=60)]
    ends: Annotated[
        list[int],
        Meta(description="When each step ended, in seconds since 1970, the oldest first."),
    ]
    values: Annotated[
        dict[str, list[float | None]],
        Meta(
            description="For each signal its value over each step, in its unit; null where it is "
            "unavailable, or has too few readings."
        ),
    ]


Decision = Annotated[
    dict[str, Any],
    Meta(
        description="One decision: the event as the log has it, with the same fields. fired has "
        "`condition`; changed has `knob`, `from` and `to`, or `deed`; concluded is an Outcome; "
        "rolled_back has `knob`, `from`, `to` and `reason`; released has `knob` and `was`.",
        extra_json_schema={
            "required": ["event", "rule"],
            "properties": {
                "event": {"enum": ["fired", "changed", "concluded", "rolled_back", "released"]},
                "rule": {"type": "string"},
            },
        },
    ),
]


class Run(Struct, frozen=True, kw_only=True):
    """An evaluation of all rules."""

    dry_run: Annotated[
        bool, Meta(description="Whether nothing was changed because the call asked for that.")
    ]
    rules: Annotated[list[Rule], Meta(description="As found, before anything was changed.")]
    decisions: Annotated[list[Decision], Meta(description="Empty with dry_run.")]
