"""Ticks, documents, resets, failures and jumps of the clock, in any order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sidecar.catalogue import CATALOGUE
from sidecar.config.knobs import Effective, turned
from sidecar.config.values import (
    LEVELS,
    CacheConfig,
    ExpectConfig,
    RuleConfig,
    TierConfig,
    TiersConfig,
)
from sidecar.model.change import Turn
from sidecar.optimizer.decisions import Decision, SavedState
from sidecar.optimizer.standing import STATES
from tests.optimizer.virtual import SIGNAL, World, a_document, a_guard, a_rule

MEMORY = "memory.utilization"
EXPECT = ExpectConfig(
    signal=SIGNAL, better="higher", by=0.01, window_seconds=10.0, settle_seconds=5.0
)
BASE: dict[str, Any] = {"level": "conservative", "cooldown_seconds": 20.0, "expect": EXPECT}
RULES: tuple[RuleConfig, ...] = (
    a_rule("nudging", **BASE),
    a_rule("guarded", **{**BASE, "guard": a_guard(window_seconds=10.0)}),
    a_rule("growing", **{**BASE, "action": "grow_tier", "options": {"tier": "l2"}}),
    a_rule("broken", **{**BASE, "action": "broken", "when": f"{SIGNAL} > 103.0"}),
    a_rule("collecting", **{**BASE, "type": "gc", "action": "collect"}),
    a_rule(
        "shrinking",
        **{**BASE, "expect": None, "type": "memory", "when": f"{MEMORY} > 0.8"},
        action="shrink_tier",
        options={"tier": "l2"},
    ),
    a_rule(
        "holding",
        **{**BASE, "expect": None, "when": f"{MEMORY} > 0.6"},
        guard=a_guard(window_seconds=10.0),
    ),
)
CACHES = (
    CacheConfig(),
    CacheConfig(promote_after=4),
    CacheConfig(tiers=TiersConfig(l1=TierConfig(max_entries=7, max_bytes=1 << 20))),
)
documents = st.builds(
    lambda rules, **others: a_document(*rules, **others),
    st.lists(st.sampled_from(RULES), unique_by=lambda config: config.name),
    cache=st.sampled_from(CACHES),
    level=st.sampled_from(LEVELS),
    enabled=st.integers(0, 7).map(bool),
    dry_run=st.integers(0, 4).map(lambda n: n == 0),
)


class Anything(RuleBasedStateMachine):
    """A world in which turned knobs have an effect, and memory use varies."""

    def __init__(self) -> None:
        super().__init__()
        self.rng = random.Random(1)
        self.effect = 10.0
        self.memory: float | None = 0.5
        self.world = World(a_document(*RULES), self.readings, step_seconds=5.0)
        self.fired: Counter[str] = Counter()
        self.concluded: Counter[str] = Counter()

    def readings(self, now: float, effective: Effective) -> Mapping[str, float]:
        value = 100 + self.rng.gauss(0, 1) + self.effect * effective.cache.promote_after
        return {SIGNAL: value} | ({} if self.memory is None else {MEMORY: self.memory})

    def take(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            self.fired[decision.rule.name] += decision.event == "fired"
            self.concluded[decision.rule.name] += decision.event == "concluded"
            if decision.event == "concluded":
                msgspec.json.encode(decision.fields)

    @rule(seconds=st.sampled_from([5, 10, 60, 400, 400]))
    def pass_time(self, seconds: int) -> None:
        self.take(self.world.run(seconds))

    @rule(effect=st.sampled_from([-10.0, 0.0, 10.0]))
    def have_an_effect(self, effect: float) -> None:
        self.effect = effect

    @rule(memory=st.sampled_from([None, 0.5, 0.7, 0.9]))
    def use_memory(self, memory: float | None) -> None:
        self.memory = memory

    @rule(document=documents)
    def configure(self, document: Any) -> None:
        world = self.world
        self.take(world.engine.configure(document, world.now, world.wall))
        assert world.engine.configured.cache == document.cache

    @rule()
    def reset(self) -> None:
        world = self.world
        self.take(world.engine.reset(world.now, world.wall))
        assert world.engine.effective == world.engine.configured

    @rule()
    def fail(self) -> None:
        world = self.world
        self.take(world.engine.failed("It could not be done.", world.now, world.wall))

    @precondition(lambda self: self.world.engine.trial)
    @rule()
    def fail_the_trial(self) -> None:
        self.fail()
        assert self.world.outcomes[-1].outcome == "failed"
        assert not self.world.engine.trial

    @rule(seconds=st.sampled_from([-3600.0, -5.0, 5.0, 3600.0]))
    def jump(self, seconds: float) -> None:
        self.world.wall += seconds

    @rule()
    def sleep(self) -> None:
        self.world.now += 60
        self.world.wall += 60

    @rule()
    def restart(self) -> None:
        world, engine = self.world, self.world.engine
        self.take(engine.stop(world.now, world.wall))
        data = msgspec.msgpack.encode(engine.memory(world.now, world.wall))
        document = a_document(*RULES, cache=engine.configured.cache)
        memory = msgspec.msgpack.decode(data, type=SavedState)
        self.world = World(
            document, self.readings, step_seconds=5.0, memory=memory, wall=world.wall
        )
        assert self.world.outcomes == world.outcomes

    @rule()
    def ask(self) -> None:
        """An explanation changes nothing, and a rule that would fire does fire."""
        world = self.world
        before = world.engine.effective
        explained = world.engine.explain(world.moment, world.now)
        assert world.engine.effective == before
        assert len(explained) == len(world.engine.rules)

    @invariant()
    def what_is_in_force_is_what_was_configured_and_the_turns_above_it(self) -> None:
        engine = self.world.engine
        overlay = engine._trials.overlay
        expected = engine.configured
        if engine.config.enabled and not engine.config.dry_run:
            for knob, kept in overlay.kept.items():
                assert kept.configured == CATALOGUE.knobs[knob].read(engine.configured)
                expected = turned(CATALOGUE.knobs, expected, Turn(knob, kept.value))
            for held in overlay.held:
                expected = turned(CATALOGUE.knobs, expected, held.turn)
            if engine.trial and engine.trial.turn and engine.trial.rule.config.expect:
                expected = turned(CATALOGUE.knobs, expected, engine.trial.turn)
        else:
            assert not engine.trial
            assert not overlay.held
        assert engine.effective == expected

    @invariant()
    def each_rule_that_fired_has_one_outcome_or_is_on_trial(self) -> None:
        trial = self.world.engine.trial
        under_way = Counter([trial.rule.name] if trial else [])
        assert self.fired == self.concluded + under_way

    @invariant()
    def what_holds_a_knob_is_a_rule_that_acts(self) -> None:
        engine = self.world.engine
        names = {each.name for each in engine.rules}
        holders: dict[str, str] = {}
        for held in engine._trials.overlay.held:
            assert held.rule.name in names
            assert holders.setdefault(held.turn.knob, held.rule.name) == held.rule.name

    @invariant()
    def every_rule_stands_somehow(self) -> None:
        engine = self.world.engine
        assert list(engine.standings) == [each.name for each in engine.rules]
        for standing in engine.standings.values():
            assert standing.state in STATES
            assert standing.reason
            assert standing.scale <= 8


TestAnything = Anything.TestCase
TestAnything.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, derandomize=True
)
