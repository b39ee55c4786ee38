"""The documented rules, conditions and baselines against the program, in both directions."""

from __future__ import annotations

import yaml

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.quantities import format_percent
from sidecar.config.rules_schema import Baseline, Expect, Guard, Rule, Rules
from sidecar.config.section import Section
from sidecar.config.values import DEFAULT_BASELINES, Document
from sidecar.optimizer.situation import COOLDOWN_SCALES, STEPS
from tests.contracts.pages import blocks, code, read, table
from tests.contracts.tables import check_actions, check_functions, check_signals

RULES = read("docs/optimizer.md")
SIGNALS_PAGE = read("docs/signals-and-metrics.md")
RULES_YAML, BASELINES_YAML = blocks("yaml", RULES)


def parsed(**texts: str) -> Document:
    """The document in these texts, by the first part of their file names."""
    return parse(
        {f"{name}.yaml": text for name, text in texts.items()}, vocabulary=CATALOGUE.vocabulary
    )


def keys_of(model: type[Section]) -> set[str]:
    """The keys of a section."""
    return {field.alias or name for name, field in model.model_fields.items()}


def test_the_examples_are_good() -> None:
    """Both are valid as written; the baselines are the default ones."""
    [rule] = parsed(rules=RULES_YAML).optimizer.rules
    assert rule.name == "memory_cleanup"
    assert parsed(baselines=BASELINES_YAML).baselines == DEFAULT_BASELINES


def test_every_key_is_there() -> None:
    """In the example, or in the text around it."""
    example = yaml.safe_load(RULES_YAML)
    [rule] = example["rules"]
    assert keys_of(Rules) == set(example)
    assert keys_of(Rule) == set(rule)
    assert keys_of(Expect) == set(rule["expect"])
    assert keys_of(Guard) == {*rule["guard"], "better", "window"}
    assert keys_of(Baseline) == {"baseline", "target", "better", "half_life"}
    assert all(f"`{key}`" in RULES for key in ("better", "window", "half_life"))


def test_the_number_of_shipped_rules_is_right() -> None:
    """So is the number of rules that run by default."""
    optimizer = parsed().optimizer
    words = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    words += ["ten", "eleven", "twelve"]
    running = sum(rule.runs_at(optimizer.level) for rule in optimizer.rules)
    text = " ".join(RULES.split()).lower()
    assert f"{words[len(optimizer.rules)]} rules are shipped" in text
    assert f"{words[running]} of them run unless" in text


def test_the_levels_are_all_there() -> None:
    """With the step and the scale of each."""
    rows = {code(level)[0]: (step, scale) for level, step, scale in table(RULES, "level")}
    assert rows == {
        level: (format_percent(STEPS[level]), f"{COOLDOWN_SCALES[level]:g}x") for level in STEPS
    }


def test_the_actions_the_functions_and_the_signals_are_all_there() -> None:
    """The lists equal those of the catalogue."""
    check_actions(RULES, CATALOGUE)
    check_functions(RULES, CATALOGUE)
    check_signals(SIGNALS_PAGE, CATALOGUE)
