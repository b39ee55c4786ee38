"""Rules, compiled: a condition that can be evaluated, an action that can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.config.schema import Section
from sidecar.config.values import Level, OptimizerConfig, RuleConfig
from sidecar.optimizer.actions.protocol import Action
from sidecar.optimizer.conditions import Condition, compile_condition
from sidecar.optimizer.untouched import DEFAULT_SETTLE_SECONDS, Compared, Guarded


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a document that was found to be good."""

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
        """What its experiments compare; None for a measure."""
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
        """Whether it must not wait for a trial to end: a measure that saves memory."""
        return self.config.expect is None and self.config.type == "memory"

    def runs_at(self, level: Level) -> bool:
        return self.config.runs_at(level)


def compile_rules(config: OptimizerConfig, actions: Mapping[str, Action]) -> tuple[Rule, ...]:
    """The rules of a document, which has been checked: nothing in it is refused here."""
    return tuple(
        Rule(
            config=rule,
            condition=compile_condition(rule.when),
            action=actions[rule.action],
            options=actions[rule.action].Options.model_validate(dict(rule.options)),
        )
        for rule in config.rules
    )
