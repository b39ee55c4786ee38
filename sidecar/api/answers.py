"""What /v1/optimizer and /v1/signals answer, as shapes: the API writes, the command reads them.

JSON has no infinity. A knob that stands at null is unlimited, or never runs out; an `effect_ratio`
of null is relative to nothing, or was not measured. The units of signals are those of their table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

from sidecar.config.values import ExpectConfig, GuardConfig
from sidecar.model.change import Value
from sidecar.model.outcome import Outcome


class ShownChange(Struct, frozen=True, kw_only=True):
    """A knob that is turned, or else a deed that is done once."""

    knob: str | UnsetType = UNSET
    from_: Value | UnsetType | None = field(default=UNSET, name="from")
    to: Value | UnsetType | None = UNSET
    deed: str | UnsetType = UNSET


class ShownTrial(Struct, frozen=True, kw_only=True):
    """The change under observation. `signal`, `before` and `noise` are null for a measure."""

    rule: str
    change: ShownChange
    signal: str | None
    before: float | None
    noise: float | None
    started_at: float
    seconds_left: float


class ShownStanding(Struct, frozen=True, kw_only=True):
    """How a rule stood when it was last looked at."""

    rule: str
    state: str
    reason: str


class ShownKnob(Struct, frozen=True, kw_only=True):
    """What a knob was configured to, and what is in force."""

    meaning: str
    configured: Value | None
    effective: Value | None


class ShownSignal(Struct, frozen=True, kw_only=True):
    """A signal now, null where it is unavailable, and what it should be, null where nobody says."""

    value: float | None
    unit: str
    meaning: str
    better: str | None
    baseline: float | None
    target: float | None


class Overview(Struct, frozen=True, kw_only=True):
    """GET /v1/optimizer."""

    enabled: bool
    dry_run: bool
    level: str
    interval_seconds: float
    ticks: int
    trial: ShownTrial | None
    rules: list[ShownStanding]
    knobs: dict[str, ShownKnob]
    signals: dict[str, ShownSignal]


class ShownRule(Struct, frozen=True, kw_only=True):
    """A rule, and what a look at it now would find. `cooldown_seconds` is that of the level."""

    rule: str
    would_fire: bool
    state: str
    reason: str
    when: str
    holds: bool | None
    values: dict[str, float | None]
    missing: list[str]
    change: ShownChange | None
    no_change: str | None
    type: str
    level: str
    action: str
    with_: Mapping[str, Any] = field(name="with")
    for_seconds: float
    cooldown_seconds: float
    expect: ExpectConfig | None
    guard: GuardConfig | None


class Rules(Struct, frozen=True):
    """GET /v1/optimizer/rules."""

    rules: list[ShownRule]


class Outcomes(Struct, frozen=True):
    """GET /v1/optimizer/outcomes, the newest first."""

    outcomes: list[Outcome]


class Course(Struct, frozen=True, kw_only=True):
    """GET /v1/signals: the value of each signal over each step, null where too little is known."""

    step_seconds: int
    ends: list[int]
    values: dict[str, list[float | None]]


class Run(Struct, frozen=True, kw_only=True):
    """POST /v1/optimizer/run: the rules as they were found, and what was decided then."""

    dry_run: bool
    rules: list[ShownRule]
    decisions: list[dict[str, Any]]
