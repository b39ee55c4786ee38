"""The tables of the documentation that list what a catalogue has: each must be complete."""

from __future__ import annotations

from typing import Annotated, Any

import yaml
from pydantic import TypeAdapter

from sidecar.catalogue import Catalogue
from tests.contracts.pages import code, expanded, table


def check_policies(page: str, catalogue: Catalogue) -> None:
    """With the keys that each evicts first; L3's policies come first, as the text below says."""
    rows = {code(name)[0]: first for name, first, _ in table(page, "policy")}
    assert rows == {name: spec.meaning for name, spec in catalogue.policies.items()}
    named = list(rows)
    scores = catalogue.policies.scores
    assert sorted(named[: len(scores)]) == sorted(scores)
    options = {option.name for spec in catalogue.policies.values() for option in spec.options}
    assert all(f"`{option}: " in page for option in options)


def check_actions(page: str, catalogue: Catalogue) -> None:
    """With their types, options and defaults."""
    rows = {code(row[0])[0]: row for row in table(page, "action")}
    assert list(rows) == list(catalogue.actions)
    for name, (_, rule_type, options, _) in rows.items():
        action = catalogue.actions[name]
        assert rule_type == action.rule_type, name
        stated = dict(option.partition(": ")[::2] for option in code(options))
        assert stated.keys() == action.Options.model_fields.keys(), name
        for key, field in action.Options.model_fields.items():
            if field.is_required():
                assert stated[key] == "", name
                continue
            kind: Any = Annotated[(field.annotation, *field.metadata)]
            read = TypeAdapter(kind).validate_python(yaml.safe_load(stated[key]))
            assert read == field.default, (name, key)


def check_functions(page: str, catalogue: Catalogue) -> None:
    """Each example is an operand of a condition."""
    examples = [code(row[0])[0] for row in table(page, "function")]
    assert [example.partition("(")[0] for example in examples] == list(catalogue.functions)
    for example in examples:
        [operand] = catalogue.conditions.compile(f"{example} > 0.0").operands
        assert operand.text == example


def check_signals(page: str, catalogue: Catalogue) -> None:
    """With their units and better directions."""
    written = {
        name: (unit, better)
        for cell, unit, better, _ in table(page, "signal")
        for pattern in code(cell)
        for name in expanded(pattern)
    }
    assert written == {
        signal.name: (signal.unit, signal.better or "") for signal in catalogue.signals.values()
    }
