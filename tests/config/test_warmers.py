"""There are no warmers yet; naming one is an error in any place."""

from __future__ import annotations

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.errors import InvalidDocument

VOCABULARY = CATALOGUE.vocabulary


def mistakes(**texts: str) -> list[str]:
    try:
        parse({f"{name}.yaml": text for name, text in texts.items()}, vocabulary=VOCABULARY)
    except InvalidDocument as error:
        return [str(each) for each in error.errors]
    return []


@pytest.mark.parametrize("text", ["", "# none\n", "warmers:", "warmers: []", "warmers: {}", "{}"])
def test_a_place_without_a_warmer_is_no_mistake(text: str) -> None:
    assert mistakes(warmers=text) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("warmers: [{name: x}]", "warmers.yaml:1: warmers: "),
        ("# one\nwarmers:\n  x: {}", "warmers.yaml:2: warmers: "),
        ("other: 1\nwarmers: []", "warmers.yaml:1: other: "),
        ("just text", "warmers.yaml:1: "),
    ],
)
def test_a_warmer_is_a_mistake_with_its_line(text: str, where: str) -> None:
    [mistake] = mistakes(warmers=text)
    assert mistake.startswith(where)
    assert "does not support warmers" in mistake


def test_a_rule_that_names_a_warmer_is_told_that_there_is_none() -> None:
    """The error quotes the name, and is the only one for it."""
    rule = "{name: a, type: cache, when: cache.hit_ratio < 0.5, action: warm, with: {warmer: top}}"
    [mistake] = mistakes(rules=f"rules:\n- {rule}")
    assert mistake.startswith("rules.yaml:2: rules[0].with: ")
    assert 'there is no warmer "top"' in mistake
