"""Compiled rules: each has a compiled condition and an action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from sidecar.config.section import Section
from sidecar.config.values import OptimizerConfig, RuleConfig
from sidecar.optimizer.actions.protocol import Action
from sidecar.optimizer.conditions import Condition
from sidecar.optimizer.noise_monitor import DEFAULT_SETTLE_SECONDS, Compared, Guarded
from sidecar.optimizer.situation import COOLDOWN_SCALES, STEPS

LEAST_LOOK_BACK_SECONDS = 5.0
"""A signal in a condition is its value over the last interval, or over this."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a valid document."""

    config: RuleConfig
    condition: Condition
    action: Action
    options: Section

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def settle_seconds(self) -> float:
        expect = self.config.expect
        return DEFAULT_SETTLE_SECONDS if expect is None else expect.settle_seconds

    @property
    def compared(self) -> Compared | None:
        """The comparison of its experiments; None for a measure."""
        expect = self.config.expect
        if expect is None:
            return None
        return Compared(expect.signal, expect.window_seconds, expect.settle_seconds)

    @property
    def guarded(self) -> Guarded | None:
        guard = self.config.guard
        return None if guard is None else Guarded(guard, self.settle_seconds)

    @property
    def urgent(self) -> bool:
        """Whether it does not wait for a trial to end: true for measures of type memory."""
        return self.config.expect is None and self.config.type == "memory"


class Rulebook:
    """The rules of one document, with the effect of its level and switches."""

    def __init__(self, config: OptimizerConfig) -> None:
        """The rules were compiled by `compile_rule` when the document was parsed."""
        self.config = config
        self.rules = cast(tuple[Rule, ...], config.compiled)
        self.by_urgency = sorted(self.rules, key=lambda rule: not rule.urgent)
        """The order in which they may act: as written, but memory comes first."""
        self.acts = config.enabled and not config.dry_run
        """Whether rules make changes."""
        self.step = STEPS[config.level]
        """How much one change may turn a knob."""
        self.look_back_seconds = max(LEAST_LOOK_BACK_SECONDS, config.interval_seconds)

    @property
    def running(self) -> list[Rule]:
        """The rules whose conditions are evaluated."""
        return [rule for rule in self.rules if self.why_disabled(rule) is None]

    @property
    def acting(self) -> dict[str, RuleConfig]:
        """The rules that may make changes, by name."""
        return {rule.name: rule.config for rule in self.running} if self.acts else {}

    def why_disabled(self, rule: Rule) -> str | None:
        """Why a rule does not run, as a sentence; None if it runs."""
        if not self.config.enabled:
            return "The optimizer is disabled."
        if not rule.config.enabled:
            return "It is disabled."
        if not rule.config.runs_at(self.config.level):
            return f"It runs from level {rule.config.level} on; the level is {self.config.level}."
        return None

    def cooldown(self, rule: Rule) -> float:
        """The cooldown in seconds, scaled by the level."""
        return rule.config.cooldown_seconds * COOLDOWN_SCALES[self.config.level]


def compile_rule(
    actions: Mapping[str, Action], config: RuleConfig, condition: object, options: Section
) -> Rule:
    """A rule from its compiled condition and the options of its action."""
    return Rule(config, cast(Condition, condition), actions[config.action], options)
