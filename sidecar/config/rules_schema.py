"""The keys of `rules.yaml` and `baselines.yaml`, as pydantic models; see schema.py.

The validation context is the Vocabulary. Checks that need more than one field, other than that of
an action's type, are in rules.py.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, model_validator

from sidecar.config.quantities import parse_percent
from sidecar.config.schema import between, vocabulary_of
from sidecar.config.section import UNSTATED, Section
from sidecar.config.values import Better, Level
from sidecar.config.wording import nearest, shown

MAX_RULES = 100
MAX_WINDOWS, MAX_WINDOW_SECONDS = 64, 8 * 3600
"""Of different windows whose values are kept sorted, and of all of them together: each takes time
with every reading, and about a hundred bytes for each second.
"""
MAX_BASELINES = 60

LONGEST_WINDOW, LONGEST_SETTLE = "25m", "10m"
"""Together, a window before a change, settling, and a window after it are as long as the signal
history."""

_NAME = re.compile(r"[a-z0-9_]{1,63}")


def _name(name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    raise ValueError(f"{shown(name)} is not a name; write 1 to 63 of a-z, 0-9 and _")


def _signal(name: str, info: ValidationInfo) -> str:
    known = vocabulary_of(info).signals
    if name not in known:
        raise ValueError(f"{shown(name)} is not a signal; {nearest(name, known)}")
    return name


def _action(name: str, info: ValidationInfo) -> str:
    known = vocabulary_of(info).actions
    if name not in known:
        raise ValueError(f"{shown(name)} is not an action; {nearest(name, known)}")
    return name


def _type(rule_type: str, info: ValidationInfo) -> str:
    known = vocabulary_of(info).rule_types
    if rule_type not in known:
        listed = f"{', '.join(known[:-1])} or {known[-1]}"
        raise ValueError(f"{shown(rule_type)} is not valid here; write {listed}")
    action = info.data.get("action")
    if action is not None:
        right = vocabulary_of(info).actions[action].rule_type
        if rule_type != right:
            raise ValueError(f"{action} is an action of type {right}; write type: {right}")
    return rule_type


def _baseline(value: object) -> float | str:
    if value == "learn":
        return "learn"
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise ValueError(f"{shown(value)} is neither a number nor learn; write for example 0.5")


def _half_life(seconds: float, info: ValidationInfo) -> float:
    if info.data.get("baseline", "learn") != "learn":
        raise ValueError("a half-life requires a learned baseline; write baseline: learn too")
    return seconds


Signal = Annotated[str, AfterValidator(_signal)]
Share = Annotated[float, BeforeValidator(parse_percent)]
Window = Annotated[float, BeforeValidator(between("1s", LONGEST_WINDOW))]


class Expect(Section):
    """`rules[].expect`."""

    signal: Signal
    better: Better = UNSTATED
    by: Share
    window: Window = UNSTATED
    settle: Annotated[float, BeforeValidator(between("0s", LONGEST_SETTLE))] = UNSTATED


class Guard(Section):
    """`rules[].guard`."""

    signal: Signal
    better: Better = UNSTATED
    worse_by: Share
    window: Window = UNSTATED


class Rule(Section):
    """`rules[]`."""

    name: Annotated[str, AfterValidator(_name)]
    action: Annotated[str, AfterValidator(_action)]
    type: Annotated[str, AfterValidator(_type)]  # after the action, whose type it must match
    enabled: bool = UNSTATED
    level: Level = UNSTATED
    when: str
    for_: Annotated[float, BeforeValidator(between("0s", "1d"))] = Field(UNSTATED, alias="for")
    cooldown: Annotated[float, BeforeValidator(between("1s", "30d"))] = UNSTATED
    with_: dict[str, Any] = Field(UNSTATED, alias="with")
    expect: Expect = UNSTATED
    guard: Guard = UNSTATED


class Rules(Section):
    """`rules.yaml`."""

    enabled: bool = UNSTATED
    level: Level = UNSTATED
    interval: Annotated[float, BeforeValidator(between("1s", "1h"))] = UNSTATED
    dry_run: bool = UNSTATED
    rules: Annotated[list[Rule], Field(max_length=MAX_RULES)] = UNSTATED


class Baseline(Section):
    """`baselines.*`."""

    baseline: Annotated[float | str, BeforeValidator(_baseline)] = UNSTATED
    target: Annotated[float, Field(allow_inf_nan=False)] = UNSTATED
    better: Better = UNSTATED
    half_life: Annotated[
        float, BeforeValidator(between("1m", "30d")), AfterValidator(_half_life)
    ] = UNSTATED

    @model_validator(mode="after")
    def _states_something(self) -> Baseline:
        if self.baseline is None and self.target is None:
            raise ValueError("there is neither a baseline nor a target; write one of them")
        return self


class Baselines(Section):
    """`baselines.yaml`."""

    baselines: Annotated[dict[str, Baseline], Field(max_length=MAX_BASELINES)] = UNSTATED
