"""Parses YAML into plain values with line numbers, with bounded time and memory.

Texts are untrusted: libyaml needs time quadratic in the depth of nesting (nine minutes for a
mebibyte of `[`), and aliases multiply. So the tree is built from the parser's events one by one,
and stops at the first bound that is reached.

Only the core of YAML 1.2 is supported: `true`, `false`, `null`, decimal numbers and text. The
interpretation of `no`, `010` and `1:30` in YAML 1.1 is surprising.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from sidecar.config.errors import FieldError
from sidecar.config.wording import printable, shown

MAX_TEXT_BYTES = 1 << 20
"""The size limit of a ConfigMap."""
MAX_DEPTH = 32
MAX_NODES = 10_000
"""The most values in one text; an alias counts as all values that it repeats."""

MAX_ERRORS = 100
"""The most errors reported for one text."""

Path = tuple[str | int, ...]

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INDENT_WITH_TAB = re.compile(r" *\t")
_INTEGER = re.compile(r"[-+]?[0-9]{1,20}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its line; the line of a mapping's value is that of its key."""

    value: object
    line: int = 1
    children: dict[str | int, Node] = field(default_factory=dict)
    size: int = 1
    height: int = 0

    def get(self, path: Path) -> Node | None:
        """The node at the path, or None."""
        node: Node | None = self
        for step in path:
            node = node.children.get(step) if node else None
        return node

    def line_of(self, path: Path) -> int:
        """The line of the value at the path, or of its nearest existing ancestor."""
        node = self
        for step in path:
            node = node.children.get(step, node)
        return node.line


def compose(file: str, text: str) -> tuple[Node | None, list[FieldError]]:
    """The document in the text, and its errors; None if it cannot be parsed to its end.

    A text with only comments is a node with the value None. Never raises. O(length).
    """
    lines = _Lines(text)
    composer = _Composer(file, lines)
    try:
        _refuse_unreadable(text)
        return composer.document(yaml.parse(text, Loader=yaml.CSafeLoader)), composer.errors
    except _RefusedError as refusal:
        error = FieldError.at(file, refusal.line, refusal.path, refusal.message)
    except yaml.YAMLError as cause:
        error = FieldError(file, *_explained(text, lines, cause))
    return None, [*composer.errors, error]


class _RefusedError(Exception):
    """Parsing cannot continue."""

    def __init__(self, line: int, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.line, self.message, self.path = line, message, path


def _refuse_unreadable(text: str) -> None:
    """Reject a text that is too long, or has characters that YAML does not allow."""
    if len(text) > MAX_TEXT_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        raise _RefusedError(1, "the text is longer than 1MiB; shorten it")
    if found := _FORBIDDEN.search(text):
        line = text.count("\n", 0, found.start()) + 1
        if "\ud800" <= found[0] <= "\udfff":
            raise _RefusedError(line, "the text is not UTF-8; save the file as UTF-8")
        raise _RefusedError(line, f"the character {printable(found[0])} is not allowed; remove it")


class _Lines:
    """Line numbers as editors and `grep` count them. libyaml also counts the line breaks of YAML
    1.1, such as U+2028.
    """

    def __init__(self, text: str) -> None:
        self._ends = [found.end() for found in re.finditer("\n", text)]

    def of(self, mark: Any) -> int:
        """The line of a position, from 1; 1 for an unknown one."""
        return bisect_right(self._ends, mark.index) + 1 if mark else 1


def _explained(text: str, lines: _Lines, error: yaml.YAMLError) -> tuple[int, str, str]:
    """The line, path and message for an error of the parser."""
    written = text.rstrip("\r\n").split("\n")
    # The end of the text may be on a line after the last one.
    line = min(lines.of(getattr(error, "problem_mark", None)), len(written))
    if _INDENT_WITH_TAB.match(written[line - 1]):
        return line, "", "the line is indented with a tab; write spaces instead"
    problem = getattr(error, "problem", None) or "it cannot be parsed"
    return line, "", f"not well-formed YAML ({problem}); correct this line or the one before it"


class _Composer:
    """Builds one tree from events; the recursion depth is at most MAX_DEPTH."""

    def __init__(self, file: str, lines: _Lines) -> None:
        self._file = file
        self._lines = lines
        self._anchors: dict[str, Node] = {}
        self._size = 0
        self._events: Iterator[yaml.Event] = iter(())
        self.errors: list[FieldError] = []

    def document(self, events: Iterator[yaml.Event]) -> Node:
        self._events = events
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root:
                    raise _RefusedError(
                        self._line(event), "a second document starts here; keep only one per file"
                    )
                root = self._node(next(events), ())
        return root or Node(None)

    def _node(self, event: yaml.Event, path: Path) -> Node:
        self._count(1, event)
        if len(path) > MAX_DEPTH:
            raise _RefusedError(
                self._line(event), f"nested deeper than {MAX_DEPTH}; flatten it", path
            )
        match event:
            case yaml.AliasEvent():
                node = self._anchored(event, path)
            case yaml.ScalarEvent() | yaml.CollectionStartEvent() if event.tag is not None:
                message = f"the tag {shown(event.tag)} is not supported; remove it"
                raise _RefusedError(self._line(event), message, path)
            case yaml.ScalarEvent():
                node = Node(_scalar(event), self._line(event))
            case yaml.SequenceStartEvent():
                node = self._sequence(event, path)
            case _:
                node = self._mapping(event, path)
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _anchored(self, event: yaml.AliasEvent, path: Path) -> Node:
        # An anchor is registered when its node is complete, so no node can contain itself.
        node = self._anchors.get(str(event.anchor))
        if node is None:
            message = f"the alias *{event.anchor} has no anchor before it; write the value out"
            raise _RefusedError(self._line(event), message, path)
        if len(path) + node.height > MAX_DEPTH:
            raise _RefusedError(
                self._line(event), f"nested deeper than {MAX_DEPTH}; flatten it", path
            )
        self._count(node.size, event)
        return node

    def _sequence(self, start: yaml.Event, path: Path) -> Node:
        children: dict[str | int, Node] = {}
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            index = len(children)
            children[index] = self._node(event, (*path, index))
        return self._parent([node.value for node in children.values()], start, children)

    def _mapping(self, start: yaml.Event, path: Path) -> Node:
        children: dict[str | int, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _RefusedError(
                    self._line(event), "a key has to be plain text; write a word", path
                )
            key = event.value
            node = replace(self._node(next(self._events), (*path, key)), line=self._line(event))
            if first := children.get(key):
                message = f"the key is already on line {first.line}; remove one of the two"
                self.errors.append(FieldError.at(self._file, node.line, (*path, key), message))
                if len(self.errors) == MAX_ERRORS:
                    raise _RefusedError(node.line, "and more errors; correct those above first")
            children[key] = node
        return self._parent({key: node.value for key, node in children.items()}, start, children)

    def _count(self, nodes: int, event: yaml.Event) -> None:
        self._size += nodes
        if self._size > MAX_NODES:
            raise _RefusedError(
                self._line(event), f"more than {MAX_NODES} values; shorten the text"
            )

    def _line(self, event: yaml.Event) -> int:
        return self._lines.of(event.start_mark)

    def _parent(self, value: object, start: yaml.Event, children: dict[str | int, Node]) -> Node:
        size = 1 + sum(node.size for node in children.values())
        height = 1 + max((node.height for node in children.values()), default=0)
        return Node(value, self._line(start), children, size, height)


def _scalar(event: yaml.ScalarEvent) -> object:
    """The value of a scalar; a quoted one is always text."""
    text = event.value
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
