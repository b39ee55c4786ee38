"""The shipped rules: they are valid and cautious, and serve as examples."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.rules import DEFAULT_RULES
from sidecar.config.values import OptimizerConfig, RuleConfig

VOCABULARY = CATALOGUE.vocabulary
OPTIMIZER = parse({}, vocabulary=VOCABULARY).optimizer
RULES = OPTIMIZER.rules

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


def test_the_shipped_text_is_a_rules_yaml_like_any_other() -> None:
    """A copy of it gives the same rules, and is a starting point for changes."""
    assert parse({"rules.yaml": DEFAULT_RULES}, vocabulary=VOCABULARY).optimizer == OPTIMIZER


def test_beside_its_rules_it_states_the_defaults() -> None:
    """It shows every key, and changes none of the defaults."""
    assert replace(OPTIMIZER, rules=()) == OptimizerConfig()


def test_every_type_is_covered_and_the_expected_names_are_there() -> None:
    """About ten rules, of all six types."""
    assert {rule.type for rule in RULES} == {
        action.rule_type for action in CATALOGUE.actions.values()
    }
    assert {"memory_cleanup", "cache_efficiency", "gc_pressure"} <= {rule.name for rule in RULES}
    assert 8 <= len(RULES) <= 12


@each_rule
def test_a_rule_is_patient(rule: RuleConfig) -> None:
    """It waits a minute before it acts, and ten minutes before it acts again."""
    assert rule.for_seconds >= 60
    assert rule.cooldown_seconds >= 600
    for judged in (rule.expect, rule.guard):
        assert judged is None or judged.window_seconds >= 300


@each_rule
def test_an_experiment_is_guarded_by_another_signal(rule: RuleConfig) -> None:
    """An improvement must not come at the cost of another signal."""
    if rule.expect is not None:
        assert rule.guard is not None
        assert rule.guard.signal != rule.expect.signal


@each_rule
def test_a_rule_does_not_fire_in_a_cache_that_nobody_uses(rule: RuleConfig) -> None:
    """With every signal at zero, no rule has a reason to act."""
    condition = CATALOGUE.conditions.compile(rule.when)
    values = [1.0 if it.source in ("baseline", "target") else 0.0 for it in condition.operands]
    assert not condition.evaluate(values)
