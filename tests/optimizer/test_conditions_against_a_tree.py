"""Random expressions: a rendered, compiled and evaluated tree has the meaning of the tree.

A separate checker and evaluator, written from CEL's definition, handle the tree. A well-typed
expression must be accepted and evaluate to the same result; others must be rejected.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.catalogue import CATALOGUE
from sidecar.optimizer.tokens import ConditionError

OPERANDS = (
    "cache.hit_ratio",
    "baseline.cache.hit_ratio",
    "target.http.get_p99_seconds",
    'mean(cpu.pressure, "5m")',
    "p95( cpu.pressure ,'1h' )",
    'rate(memory.resident_bytes, "1m30s")',
)

_PRECEDENCE = {
    "?": 1,
    "||": 2,
    "&&": 3,
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), 4),
    **dict.fromkeys("+-", 5),
    **dict.fromkeys("*/", 6),
    "unary": 7,
}
_ATOM = 8


class Tree(NamedTuple):
    """An operator and its operands; a leaf has the text of a literal or operand instead."""

    operator: str
    children: tuple[Any, ...]


class UndecidedError(Exception):
    """A comparison with NaN. It is an error in CEL; && and || may absorb it."""


def rendered(tree: Tree, above: int = 0) -> str:
    """The text of a tree, with no more parentheses than necessary."""
    kind, children = tree
    if kind == "leaf":
        return str(children[0])
    if kind in ("-1", "!1"):
        binding = _PRECEDENCE["unary"]
        text = kind[0] + rendered(children[0], binding)
    elif kind == "?":
        binding = _PRECEDENCE["?"]
        condition, first = (rendered(child, binding + 1) for child in children[:2])
        text = f"{condition} ? {first} : {rendered(children[2], binding)}"
    else:
        binding = _PRECEDENCE[kind]
        text = f"{rendered(children[0], binding)} {kind} {rendered(children[1], binding + 1)}"
    return text if binding >= above else f"({text})"


def type_of(tree: Tree) -> str | None:  # noqa: PLR0911  (a rule, a case)
    """double, int, bool or string; None if the tree is not well-typed."""
    kind, children = tree
    if kind == "leaf":
        return _type_of_leaf(children[0])
    match kind, *map(type_of, children):
        case "!1", "bool":
            return "bool"
        case "-1", ("double" | "int") as same:
            return same
        case (("&&" | "||" | "==" | "!="), "bool", "bool"):
            return "bool"
        case (("+" | "-" | "*" | "/"), "double", "double"):
            return "double"
        case (("<" | "<=" | ">" | ">=" | "==" | "!="), ("double" | "int"), ("double" | "int")):
            return "bool"
        case (("<" | "<=" | ">" | ">=" | "==" | "!="), "string", "string"):
            return "bool"
        case "?", "bool", first, second if first == second:
            return first
    return None


def _type_of_leaf(text: str) -> str:
    if text in ("true", "false"):
        return "bool"
    if text.startswith(("'", '"')):
        return "string"
    return "int" if text.isdecimal() else "double"


def value_of(tree: Tree, values: Mapping[str, float]) -> Any:
    """The value of a well-typed tree. Raises UndecidedError."""
    kind, children = tree
    if kind == "leaf":
        return _value_of_leaf(children[0], values)
    if kind in ("&&", "||"):
        return _joined(kind == "||", children, values)
    if kind == "?":
        return value_of(children[1 if value_of(children[0], values) else 2], values)
    found = [value_of(child, values) for child in children]
    if kind in ("<", "<=", ">", ">=") and any(map(_is_nan, found)):
        raise UndecidedError
    return _OPERATORS[kind](*found)


def _value_of_leaf(text: str, values: Mapping[str, float]) -> Any:
    match _type_of_leaf(text):
        case "bool":
            return text == "true"
        case "string":
            return text[1:-1]
        case "int":
            return int(text)
    return values[text] if text in values else float(text)


def _joined(deciding: bool, children: tuple[Tree, ...], values: Mapping[str, float]) -> bool:
    """A side that determines the result does so even if the other is undecided."""
    undecided = False
    for child in children:
        try:
            if bool(value_of(child, values)) is deciding:
                return deciding
        except UndecidedError:
            undecided = True
    if undecided:
        raise UndecidedError
    return not deciding


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _divided(one: float, other: float) -> float:
    if other != 0:
        return one / other
    sign = math.copysign(1.0, one) * math.copysign(1.0, other)
    return math.nan if one == 0 or math.isnan(one) else sign * math.inf


_OPERATORS: dict[str, Callable[..., Any]] = {
    "!1": operator.not_,
    "-1": operator.neg,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divided,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

doubles = st.floats(allow_nan=False, allow_infinity=False)
operands = st.sampled_from(OPERANDS)
literals = doubles.map(abs).map(repr)
wholes = st.integers(0, 1 << 53).map(str)
texts = st.sampled_from(["''", '"a"', "'//'", '"cache.hit_ratio"', "'é'"])
truths = st.sampled_from(["true", "false"])


def leaf(text: st.SearchStrategy[str]) -> st.SearchStrategy[Tree]:
    return text.map(lambda value: Tree("leaf", (value,)))


def node(kinds: tuple[str, ...], *children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.builds(Tree, st.sampled_from(kinds), st.tuples(*children))


ARITHMETIC = ("+", "-", "*", "/")
ORDER = ("<", "<=", ">", ">=", "==", "!=")


def numbers(depth: int) -> st.SearchStrategy[Tree]:
    simple = leaf(operands | literals)
    if not depth:
        return simple
    inner = st.deferred(lambda: numbers(depth - 1))
    choice = node(("?",), conditions(depth - 1), inner, inner)
    return st.one_of(simple, node(ARITHMETIC, inner, inner), node(("-1",), inner), choice)


def conditions(depth: int) -> st.SearchStrategy[Tree]:
    if not depth:
        return leaf(truths)
    inner = st.deferred(lambda: conditions(depth - 1))
    number = st.deferred(lambda: numbers(depth - 1))
    return st.one_of(
        leaf(truths),
        node(ORDER, number, number | leaf(wholes)),
        node(ORDER, leaf(texts), leaf(texts)),
        node(("&&", "||"), inner, inner),
        node(("==", "!="), inner, inner),
        node(("!1",), inner),
        node(("?",), inner, inner, inner),
    )


anything = st.recursive(
    leaf(st.one_of(operands, literals, wholes, texts, truths)),
    lambda inner: st.one_of(
        node((*ARITHMETIC, *ORDER, "&&", "||"), inner, inner),
        node(("-1", "!1"), inner),
        node(("?",), inner, inner, inner),
    ),
    max_leaves=8,
)


@given(conditions(4), st.tuples(*[doubles] * len(OPERANDS)))
@settings(max_examples=500, deadline=None)
def test_a_well_typed_expression_means_what_its_tree_means(
    tree: Tree, numbers: tuple[float, ...]
) -> None:
    """For any precedence and any numbers; an undecided condition does not hold."""
    values = dict(zip(OPERANDS, numbers, strict=True))
    text = rendered(tree)
    try:
        expected = value_of(tree, values)
    except UndecidedError:
        expected = False
    condition = CATALOGUE.conditions.compile(text)
    found = condition.evaluate([values[operand.text] for operand in condition.operands])
    assert found is expected, text


@given(anything)
@settings(max_examples=500, deadline=None)
def test_exactly_what_is_well_typed_is_taken(tree: Tree) -> None:
    """A type error is found when the document is loaded, even behind a short circuit."""
    text = rendered(tree)
    if type_of(tree) == "bool":
        CATALOGUE.conditions.compile(text)
    else:
        with pytest.raises(ConditionError):
            CATALOGUE.conditions.compile(text)


words = st.sampled_from(
    [
        *OPERANDS,
        *("+-*/%!<>?:(),.[]&|=" + '1x"\n\\é\x00'),
        *("&&", "||", "==", "!=", "<=", "//", "true", "null", "in", "has(", "mean(", "2.5", "'a'"),
    ]
)


@given(st.lists(words, max_size=12).map(" ".join) | st.lists(words, max_size=12).map("".join))
@settings(max_examples=1000, deadline=None)
def test_no_text_raises_anything_but_a_refusal(text: str) -> None:
    """An accepted condition also evaluates; a rejection is one printable line."""
    refusal = ""
    try:
        condition = CATALOGUE.conditions.compile(text)
        condition.evaluate([1.0] * len(condition.operands))
    except ConditionError as error:
        refusal = str(error)
    assert refusal.isprintable()
