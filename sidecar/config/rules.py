"""Parses `rules.yaml` and `baselines.yaml` into values, or reports every mistake in them.

Without a list of rules, the shipped list applies, parsed like any other; likewise for baselines.
A list in the document replaces the shipped one completely, even if it is empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from sidecar.config.errors import FieldError
from sidecar.config.rules_schema import (
    MAX_BASELINES,
    MAX_RULES,
    MAX_WINDOW_SECONDS,
    MAX_WINDOWS,
    Baselines,
    Rules,
)
from sidecar.config.section import Section
from sidecar.config.tree import MAX_ERRORS, Node, Path, compose
from sidecar.config.validation import validate
from sidecar.config.values import (
    BASELINES_KEY,
    DEFAULT_BASELINES,
    RULES_KEY,
    BaselineConfig,
    ExpectConfig,
    GuardConfig,
    OptimizerConfig,
    RuleConfig,
)
from sidecar.config.vocabulary import Vocabulary
from sidecar.config.wording import nearest, shown

DEFAULT_RULES = (resources.files("sidecar.config") / RULES_KEY).read_text("utf-8")
"""The text of the shipped rules, which apply if the document has no list."""

Mistake = tuple[Path, str]

_TOO_COSTLY = (
    f"too costly: with this rule, the conditions have more than {MAX_WINDOWS} different windows of "
    f"p95, or more than {MAX_WINDOW_SECONDS // 3600}h of them together; shorten them, or use the "
    "same ones in several rules"
)

_NAMES = {
    "cooldown": "cooldown_seconds",
    "for_": "for_seconds",
    "half_life": "half_life_seconds",
    "interval": "interval_seconds",
    "settle": "settle_seconds",
    "window": "window_seconds",
    "with_": "options",
}
"""Keys of the document, and the names of their values: a parsed duration has a unit in its name."""


def read_baselines(
    root: Node, vocabulary: Vocabulary
) -> tuple[tuple[BaselineConfig, ...], list[FieldError]]:
    """The baselines of the document, or else the defaults, and the mistakes in them."""
    stated, errors = validate(BASELINES_KEY, root, Baselines, vocabulary)
    errors += _located(BASELINES_KEY, root, _misnamed_baselines(root, vocabulary))
    if errors or stated is None:
        return (), errors
    if stated.baselines is None:
        return DEFAULT_BASELINES, []
    return tuple(
        _baseline(signal, baseline.model_dump(exclude_unset=True), vocabulary)
        for signal, baseline in stated.baselines.items()
    ), []


def references(root: Node) -> Collection[str]:
    """The names of the baselines and targets in `baselines.yaml`, or else of the defaults.

    Read from the tree, so that a mistake in a baseline is not reported again for each rule that
    refers to it.
    """
    if root.get(("baselines",)) is None:
        defaults = [baseline.signal for baseline in DEFAULT_BASELINES]
        return {f"{kind}.{signal}" for signal in defaults for kind in ("baseline", "target")}
    names: set[str] = set()
    for signal, entry in _baseline_nodes(root):
        stated = set(entry.children) & {"baseline", "target"}
        learned = entry.get(("baseline",))
        if not stated or (learned is not None and learned.value == "learn"):
            stated = {"baseline", "target"}
        names |= {f"{kind}.{signal}" for kind in stated}
    return names


def read_rules(
    root: Node, vocabulary: Vocabulary, known: Collection[str] | None
) -> tuple[OptimizerConfig, list[FieldError]]:
    """The values of `rules.yaml`, and the mistakes in it.

    `known` are the baselines and targets that conditions may refer to; None allows any.
    """
    stated, errors = validate(RULES_KEY, root, Rules, vocabulary)
    errors += _located(RULES_KEY, root, _mistakes_in_rules(root, vocabulary))
    conditions, bad_conditions = _compile_conditions(root, vocabulary, known)
    options, bad_options = _read_options(root, vocabulary)
    errors += [*bad_conditions, *bad_options]
    if errors or stated is None:
        return OptimizerConfig(), errors[:MAX_ERRORS]
    values = _renamed(stated.model_dump(exclude_unset=True))
    if stated.rules is not None:
        rules = tuple(_rule(rule, vocabulary) for rule in values.pop("rules"))
        compiled = tuple(map(vocabulary.compile_rule, rules, conditions, options))
        return OptimizerConfig(**values, rules=rules, compiled=compiled), []
    defaults, errors = _shipped(vocabulary)
    values |= {"rules": defaults.rules, "compiled": defaults.compiled}
    return OptimizerConfig(**values), [*errors]


@cache
def _shipped(vocabulary: Vocabulary) -> tuple[OptimizerConfig, list[FieldError]]:
    """The shipped rules, parsed once: for a document without rules, that is most of the work."""
    shipped, _ = compose(RULES_KEY, DEFAULT_RULES)
    # A shipped rule whose baseline is not configured is unavailable, not a mistake.
    return read_rules(shipped or Node({}), vocabulary, None)


# ---- checks of more than one field


def _misnamed_baselines(root: Node, vocabulary: Vocabulary) -> Iterator[Mistake]:
    for signal, entry in _baseline_nodes(root):
        path = ("baselines", signal)
        if signal not in vocabulary.signals:
            yield path, f"{shown(signal)} is not a signal; {nearest(signal, vocabulary.signals)}"
        elif entry.children:
            yield from _undirected(path, signal, entry, vocabulary)


def _mistakes_in_rules(root: Node, vocabulary: Vocabulary) -> Iterator[Mistake]:
    lines: dict[object, int] = {}
    for index, rule in _rule_nodes(root):
        path: Path = ("rules", index)
        name = rule.get(("name",))
        if name and isinstance(name.value, str):
            if name.value in lines:
                line = lines[name.value]
                yield (*path, "name"), f"the rule on line {line} has this name; write another"
            lines.setdefault(name.value, name.line)
        for key in ("expect", "guard"):
            part, signal = rule.get((key,)), rule.get((key, "signal"))
            if part and signal:
                yield from _undirected((*path, key), signal.value, part, vocabulary)


def _undirected(
    path: Path, signal: object, entry: Node, vocabulary: Vocabulary
) -> Iterator[Mistake]:
    """Report a missing `better` for a signal that has no direction of its own."""
    if (
        isinstance(signal, str)
        and vocabulary.signals.get(signal, "unknown") is None
        and "better" not in entry.children
    ):
        yield (*path, "better"), f"{signal} is good neither high nor low; write higher or lower"


def _compile_conditions(
    root: Node, vocabulary: Vocabulary, known: Collection[str] | None
) -> tuple[list[object], list[FieldError]]:
    """The compiled condition of each rule, and the mistakes in them."""
    compiled: list[object] = []
    mistakes: list[Mistake] = []
    windows: set[tuple[str, float]] = set()
    for index, rule in _rule_nodes(root):
        when = rule.get(("when",))
        if when and isinstance(when.value, str):
            path: Path = ("rules", index, "when")
            try:
                condition = vocabulary.compile_condition(when.value, known)
            except ValueError as error:
                mistakes.append((path, str(error)))
                continue
            compiled.append(condition)
            was_too_costly = _are_too_costly(windows)
            windows |= {*condition.sorted_windows}
            if _are_too_costly(windows) and not was_too_costly:
                mistakes.append((path, _TOO_COSTLY))
    return compiled, _located(RULES_KEY, root, mistakes)


def _are_too_costly(windows: Collection[tuple[str, float]]) -> bool:
    """Whether the windows of conditions, each counted once, take too much time and memory."""
    return len(windows) > MAX_WINDOWS or sum(length for _, length in windows) > MAX_WINDOW_SECONDS


def _read_options(root: Node, vocabulary: Vocabulary) -> tuple[list[Section], list[FieldError]]:
    """The options in each rule's `with`, and the mistakes in them."""
    read: list[Section] = []
    errors: list[FieldError] = []
    for index, rule in _rule_nodes(root):
        action, written = rule.get(("action",)), rule.get(("with",))
        name = action.value if action else None
        form = vocabulary.actions.get(name) if isinstance(name, str) else None
        if form and (written is None or isinstance(written.value, dict)):
            at = ("rules", index, "with")
            options, refused = validate(RULES_KEY, root, form.options, vocabulary, at)
            errors += refused
            if options is not None:
                read.append(options)
    return read, errors


def _located(file: str, root: Node, mistakes: Iterable[Mistake]) -> list[FieldError]:
    return [FieldError.at(file, root.line_of(path), path, why) for path, why in mistakes]


def _baseline_nodes(root: Node) -> list[tuple[str, Node]]:
    entries = root.get(("baselines",)) or Node(None)
    named = [(name, node) for name, node in entries.children.items() if isinstance(name, str)]
    return named[:MAX_BASELINES]


def _rule_nodes(root: Node) -> list[tuple[int, Node]]:
    entries = root.get(("rules",)) or Node(None)
    listed = [(index, node) for index, node in entries.children.items() if isinstance(index, int)]
    return listed[:MAX_RULES]


# ---- values of the document, merged with defaults


def _baseline(signal: str, stated: Mapping[str, Any], vocabulary: Vocabulary) -> BaselineConfig:
    values = _directed(_renamed(stated), signal, vocabulary)
    if values.get("baseline") == "learn":
        values |= {"baseline": None, "learn": True}
    return BaselineConfig(signal=signal, **values)


def _rule(stated: Mapping[str, Any], vocabulary: Vocabulary) -> RuleConfig:
    values = _renamed(stated)
    if "expect" in values:
        expect = _renamed(values["expect"])
        values["expect"] = ExpectConfig(**_directed(expect, expect["signal"], vocabulary))
    if "guard" in values:
        guard = _renamed(values["guard"])
        if "expect" in values:  # the guard uses the same window by default
            guard.setdefault("window_seconds", values["expect"].window_seconds)
        values["guard"] = GuardConfig(**_directed(guard, guard["signal"], vocabulary))
    return RuleConfig(**values)


def _directed(values: dict[str, Any], signal: str, vocabulary: Vocabulary) -> dict[str, Any]:
    return {"better": vocabulary.signals[signal], **values}


def _renamed(stated: Mapping[str, Any]) -> dict[str, Any]:
    return {_NAMES.get(key, key): value for key, value in stated.items()}
