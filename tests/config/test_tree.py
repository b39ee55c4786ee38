"""YAML with line numbers, and its limits."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.config.tree import MAX_DEPTH, MAX_ERRORS, MAX_NODES, MAX_TEXT_BYTES, Node, compose

MIB = 1 << 20


def composed(text: str) -> Node:
    """The tree of a text without errors."""
    node, errors = compose("f", text)
    assert node is not None
    assert errors == []
    return node


def mistakes(text: str) -> list[str]:
    """The errors in a text, as the operator reads them."""
    return [str(error) for error in compose("f", text)[1]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: -1\nb: 1.5\nc: 1e3", {"a": -1, "b": 1.5, "c": 1000.0}),
        ("a: true\nb: FALSE\nc: ~\nd:", {"a": True, "b": False, "c": None, "d": None}),
        ("- a\n- 'b'\n- \"c\"\n- |-\n  1\n", ["a", "b", "c", "1"]),
        ("a: 'true'\nb: \"1\"", {"a": "true", "b": "1"}),
        ("1: a\ntrue: b", {"1": "a", "true": "b"}),
        ("{a: [{b: c}]}", {"a": [{"b": "c"}]}),
        ("a: &x {b: 1}\nc: *x", {"a": {"b": 1}, "c": {"b": 1}}),
        ("# nothing but a comment", None),
        ("", None),
        ("---\na: 1\n...\n", {"a": 1}),
        ("\ufeffa: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
    ],
)
def test_values_are_those_of_the_core_schema(text: str, value: object) -> None:
    """Plain scalars are numbers, booleans and null; quoted ones and all keys are text."""
    assert composed(text).value == value


def test_what_only_yaml_1_1_gives_a_meaning_is_text_or_decimal() -> None:
    """`no` is text, `010` is ten and `1:30` is text: no value changes silently."""
    node = composed("[no, on, 010, 0x10, 1:30, 1_000, 2025-06-01]")
    assert node.value == ["no", "on", 10, "0x10", "1:30", "1_000", "2025-06-01"]


def test_a_value_is_on_the_line_of_its_key() -> None:
    """Items of a list have their own line; a missing value has the line of its parent."""
    node = composed("a:\n  b:\n    c: 1\n  d:\n    - x\n    - y\n")
    assert node.line_of(("a", "b")) == 2
    assert node.line_of(("a", "b", "c")) == 3
    assert node.line_of(("a", "d", 1)) == 6
    assert node.line_of(("a", "d", 7)) == 4
    assert node.line_of(()) == 1


@pytest.mark.parametrize("other", ["\x85", "\u2028", "\u2029", "\r"])
def test_lines_are_counted_as_editors_do(other: str) -> None:
    """A character that is a line break only in YAML 1.1 does not shift the lines after it."""
    text = f"one: 1  # {other}two: 2\nthree: 3\r\nthree: 4\nfour: ["
    _, errors = compose("cache.yaml", text)
    assert [error.line for error in errors] == [3, 4]


def test_a_node_is_found_by_its_path() -> None:
    """A path that does not exist gives None, also below a scalar."""
    node = composed("a: {b: [1, 2]}")
    found = node.get(("a", "b", 1))
    assert found is not None
    assert found.value == 2
    assert node.get(("a", "b", 1, "c")) is None
    assert node.get(("z", "b")) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", "f:3: a: the key is already on line 1; remove one of the two"),
        ("a:\n\tb: 1", "f:2: the line is indented with a tab; write spaces instead"),
        ("a: 1\n---\nb: 2", "f:2: a second document starts here; keep only one per file"),
        ("a: 1\nb: !!int 2", 'f:2: b: the tag "tag:yaml.org,2002:int" is not supported; remove it'),
        ("a: *b", "f:1: a: the alias *b has no anchor before it; write the value out"),
        ("a: &b [*b]", "f:1: a[0]: the alias *b has no anchor before it; write the value out"),
        ("a: 1\n? [b]\n: 2", "f:2: a key has to be plain text; write a word"),
        ("a: \udcff", "f:1: the text is not UTF-8; save the file as UTF-8"),
        ("a: 1\nb: \x1b", "f:2: the character \\x1b is not allowed; remove it"),
        ('"odd\\nkey": !x', 'f:1: "odd\\nkey": the tag "!x" is not supported; remove it'),
        ("x" * (MAX_TEXT_BYTES + 1), "f:1: the text is longer than 1MiB; shorten it"),
        ("é" * (MAX_TEXT_BYTES // 2 + 1), "f:1: the text is longer than 1MiB; shorten it"),
    ],
)
def test_a_mistake_has_its_line_and_says_what_to_do(text: str, expected: str) -> None:
    """Any error in a text is one line."""
    assert mistakes(text) == [expected]


def test_what_the_parser_cannot_read_is_no_traceback() -> None:
    """An unclosed bracket is reported on the line where the parser stopped."""
    assert mistakes("a: [1,\n  2\nb: 3") == [
        "f:3: not well-formed YAML (did not find expected ',' or ']');"
        " correct this line or the one before it"
    ]


@pytest.mark.parametrize("text", ["a: [", "a: [\n", "# b\r\na: [\r\n\r\n"])
def test_what_is_missing_at_the_end_is_missing_on_the_last_line(text: str) -> None:
    """Every error is on a line that exists in an editor."""
    [error] = compose("f", text)[1]
    assert error.line == text.count("#") + 1


def test_all_duplicate_keys_are_reported_but_not_without_end() -> None:
    """A file with only one key, repeated, has one more error instead of thousands."""
    assert len(mistakes("a: 1\n" * 4)) == 3
    many = mistakes("a: 1\n" * 4000)
    assert len(many) == MAX_ERRORS + 1
    assert "and more errors" in many[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[" * MIB, f"nested deeper than {MAX_DEPTH}"),
        ("{a: " * (MIB // 4), f"nested deeper than {MAX_DEPTH}"),
        ("- " * (MIB // 2), f"nested deeper than {MAX_DEPTH}"),
        ("- a\n" * (MIB // 4), f"more than {MAX_NODES} values"),
        ("[" + "a," * (MIB // 2 - 1) + "]", f"more than {MAX_NODES} values"),
        ("---\n" * (MIB // 4), "a second document starts here"),
        ("? " * (MIB // 2), "a key has to be plain text"),
        ("&a " * (MIB // 3), "not well-formed YAML"),
        ("\t" * MIB, "indented with a tab"),
    ],
    ids=lambda value: value[:6].strip(),
)
def test_a_hostile_text_is_refused_at_once(text: str, expected: str) -> None:
    """A mebibyte of brackets, dashes or documents takes well under a second of processor time."""
    start = time.process_time()
    assert expected in mistakes(text)[0]
    assert time.process_time() - start < 2


def test_aliases_cannot_multiply_without_end() -> None:
    """Nine aliases of nine aliases of nine ... are rejected before they are a billion values."""
    levels = ["a0: &a0 x"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert f"more than {MAX_NODES} values" in mistakes("\n".join(levels))[0]


def test_aliases_cannot_dig_below_the_depth() -> None:
    """The depth of a chain of anchors is the sum of their depths."""
    half = MAX_DEPTH // 2 + 1
    text = f"a: &a {'[' * half}x{']' * half}\nb: {'[' * half}*a{']' * half}"
    assert f"nested deeper than {MAX_DEPTH}" in mistakes(text)[0]


yaml_like = st.lists(
    st.sampled_from(
        [
            *"[]{}:,-?&*!|>'\"#%@`~ \n\t",
            "a",
            "b: ",
            "- ",
            "&x ",
            "*x",
            "\n  ",
            "---\n",
            "...",
            "\\U",
        ]
    ),
    max_size=60,
).map("".join)


@given(st.one_of(st.text(st.characters(codec=None)), yaml_like))
@settings(deadline=None)  # a noisy machine is no failure
def test_every_text_is_a_tree_or_has_mistakes_in_it(text: str) -> None:
    """No text raises; each error is one printable line, for a line that exists."""
    node, errors = compose("f", text)
    assert (node is None) <= bool(errors)
    for error in errors:
        assert 1 <= error.line <= max(1, len(text.splitlines()))
        assert str(error).isprintable()
