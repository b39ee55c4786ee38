"""An engine in virtual time: a day takes seconds, and the result depends only on the seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar

from sidecar.catalogue import CATALOGUE
from sidecar.config.knobs import Effective
from sidecar.config.section import Section
from sidecar.config.values import (
    CacheConfig,
    Document,
    ExpectConfig,
    GuardConfig,
    OptimizerConfig,
    RuleConfig,
)
from sidecar.model.change import Change, Declined, Turn
from sidecar.model.entry import Tier
from sidecar.model.outcome import Outcome
from sidecar.model.snapshot import Snapshot
from sidecar.model.stats import StoreStats
from sidecar.optimizer.actions.protocol import Action
from sidecar.optimizer.decisions import Decision, SavedState
from sidecar.optimizer.engine import Engine
from sidecar.optimizer.evaluation import Moment
from sidecar.optimizer.rules import Rule, compile_rule
from sidecar.optimizer.situation import Situation
from sidecar.signals.history import History
from sidecar.store.snapshot import tier_snapshot

EPOCH = 1_700_000_000.0
SIGNAL = "cpu.loop_lag_seconds"
"""A gauge whose meaning each test defines."""

Readings = Callable[[float, Effective], Mapping[str, float]]


class Nudge:
    """Turns a knob one step further, with or without an effect in a test's world."""

    name: ClassVar[str] = "nudge"
    rule_type: ClassVar[str] = "cache"

    class Options(Section):
        pass

    def propose(self, situation: Situation, options: Any) -> Change | Declined:
        return Turn("promote_after", situation.effective.cache.promote_after + 1)


class Broken:
    """An action that raises."""

    name: ClassVar[str] = "broken"
    rule_type: ClassVar[str] = "cache"

    class Options(Section):
        pass

    def propose(self, situation: Situation, options: Any) -> Change | Declined:
        raise RuntimeError("out of ideas")


TEST_ACTIONS: Mapping[str, Action] = {
    **CATALOGUE.actions,
    Nudge.name: Nudge(),
    Broken.name: Broken(),
}


def a_rule(name: str = "nudging", **changes: Any) -> RuleConfig:
    """An experiment that always nudges; tests override fields."""
    values: dict[str, Any] = {
        "type": "cache",
        "when": f"{SIGNAL} > -1e9",
        "for_seconds": 0.0,
        "cooldown_seconds": 300.0,
        "action": "nudge",
        "expect": ExpectConfig(signal=SIGNAL, better="higher", by=0.0),
    }
    return RuleConfig(name=name, **{**values, **changes})


def a_guard(**changes: Any) -> GuardConfig:
    values: dict[str, Any] = {"signal": SIGNAL, "better": "higher", "worse_by": 0.1}
    return GuardConfig(**{**values, **changes})


def a_document(*rules: RuleConfig, cache: CacheConfig | None = None, **optimizer: Any) -> Document:
    """A document with these rules, compiled like a parsed one."""
    values = {"interval_seconds": 10.0, "rules": rules, **optimizer}
    values["compiled"] = tuple(_compiled(rule) for rule in rules)
    return replace(Document.default(cache or CacheConfig()), optimizer=OptimizerConfig(**values))


def _compiled(rule: RuleConfig) -> Rule:
    options = TEST_ACTIONS[rule.action].Options.model_validate(
        dict(rule.options), context=CATALOGUE.vocabulary
    )
    return compile_rule(TEST_ACTIONS, rule, CATALOGUE.conditions.compile(rule.when), options)


class World:
    """An engine, its history, and its own clock.

    `readings` returns the readings at a time with the values in force.
    """

    def __init__(
        self,
        document: Document,
        readings: Readings,
        *,
        step_seconds: float = 1.0,
        memory: SavedState | None = None,
        wall: float = EPOCH,
    ) -> None:
        self.now = 0.0
        self.wall = wall
        self.history = History(CATALOGUE.signals)
        self.readings = readings
        self.step_seconds = step_seconds
        self.engine = Engine(document, memory or SavedState(), self.now, self.wall, CATALOGUE.knobs)
        self.decisions: list[Decision] = []

    @property
    def moment(self) -> Moment:
        return Moment(self.history, a_snapshot(self.engine.effective.cache), self.wall)

    @property
    def outcomes(self) -> list[Outcome]:
        return list(self.engine.outcomes)

    def run(self, seconds: float) -> list[Decision]:
        """Let time pass; returns the decisions."""
        until = self.now + seconds
        decided: list[Decision] = []
        while self.now < until:
            self.now += self.step_seconds
            self.wall += self.step_seconds
            self.history.push(self.now, self.readings(self.now, self.engine.effective))
            decided += self.engine.tick(self.moment, self.now)
        self.decisions += decided
        return decided

    def until(self, holds: Callable[[], object], most_seconds: float = 50_000) -> None:
        """Let time pass until a predicate is true; fails if it never is."""
        give_up = self.now + most_seconds
        while not holds():
            assert self.now < give_up, "it never happened"
            self.run(self.step_seconds)

    def until_trial(self) -> None:
        """Let time pass until a trial has started."""
        self.until(lambda: self.engine.trial)

    def until_outcomes(self, count: int) -> None:
        """Let time pass until this many trials have ended."""
        self.until(lambda: len(self.outcomes) >= count)


@lru_cache(maxsize=16)
def a_snapshot(cache: CacheConfig) -> Snapshot:
    """A cache with full tiers."""
    stats = StoreStats()
    tiers = [
        tier_snapshot(tier, config, config.max_entries, config.max_bytes, stats)
        for tier in Tier
        for config in (cache.tiers.of(tier),)
    ]
    return Snapshot((tiers[0], tiers[1], tiers[2]), stats, "up", 0, 0, 0, 0)
