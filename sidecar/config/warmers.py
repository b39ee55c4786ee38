"""Parses `warmers.yaml` into values, or reports every mistake in it.

A source is a mapping: the key that names its kind decides which other keys it may have. The kinds,
and what this sidecar lets them reach, are in the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator

from sidecar.config.errors import FieldError
from sidecar.config.section import Section
from sidecar.config.tree import MAX_ERRORS, Node, Path
from sidecar.config.validation import validate
from sidecar.config.values import WARMERS_KEY, RateConfig, WarmerConfig
from sidecar.config.vocabulary import Vocabulary
from sidecar.config.warmers_schema import MAX_WARMERS, Warmer, Warmers
from sidecar.config.wording import nearest, shown

Mistake = tuple[Path, str]
_NAMES = {"jitter": "jitter_seconds", "deadline": "deadline_seconds"}
_EMPTY: tuple[object, ...] = ({"warmers": None}, {"warmers": {}})


def read_warmers(
    root: Node, vocabulary: Vocabulary
) -> tuple[tuple[WarmerConfig, ...], list[FieldError]]:
    """The warmers of the document, and the mistakes in them."""
    if root.value in _EMPTY:
        return (), []
    stated, errors = validate(WARMERS_KEY, root, Warmers, vocabulary)
    errors += [_error(root, path, why) for path, why in _repeated_names(root)]
    sources: list[tuple[str, Section]] = []
    for index, warmer in _nodes(root):
        source, refused = _read_source(root, warmer, index, vocabulary)
        errors += refused
        if source is not None:
            sources.append(source)
    if errors or stated is None:
        return (), errors[:MAX_ERRORS]
    pairs = zip(stated.warmers or (), sources, strict=True)
    return tuple(_value(warmer, *source) for warmer, source in pairs), []


def _repeated_names(root: Node) -> Iterator[Mistake]:
    lines: dict[str, int] = {}
    for index, warmer in _nodes(root):
        name = warmer.get(("name",))
        if name and isinstance(name.value, str):
            if name.value in lines:
                line = lines[name.value]
                why = f"the warmer on line {line} has this name; write another"
                yield ("warmers", index, "name"), why
            lines.setdefault(name.value, name.line)


def _read_source(
    root: Node, warmer: Node, index: int, vocabulary: Vocabulary
) -> tuple[tuple[str, Section] | None, list[FieldError]]:
    """The kind of a warmer's source with its options, and the mistakes in them."""
    at: Path = ("warmers", index, "source")
    node = warmer.get(("source",))
    if node is None or not isinstance(node.value, dict):
        return None, []  # the schema says so
    kinds = [str(key) for key in node.children if key in vocabulary.sources]
    if len(kinds) != 1:
        return None, [_error(root, at, _not_one_kind(node, kinds, vocabulary))]
    [kind] = kinds
    form = vocabulary.sources[kind]
    options, errors = validate(WARMERS_KEY, root, form.options, vocabulary, at)
    if options is None:
        return None, errors
    fault = form.find_fault(options)
    if fault is not None:
        key, sentence = fault
        return None, [_error(root, (*at, key), sentence)]
    return (kind, options), []


def _not_one_kind(node: Node, kinds: list[str], vocabulary: Vocabulary) -> str:
    if kinds:
        return f"there are {' and '.join(kinds)}, and a warmer has one source; remove one"
    keys = [str(key) for key in node.children]
    stated = shown(keys[0]) if keys else "nothing"
    known = nearest(keys[0] if keys else "", vocabulary.sources)
    return f"{stated} is not a source; {known}"


def _value(stated: Warmer, kind: str, options: Section) -> WarmerConfig:
    values = stated.model_dump(exclude_unset=True, exclude={"source"})
    rate = {f"{key}_per_second": value for key, value in values.pop("rate", {}).items()}
    renamed = {_NAMES.get(key, key): value for key, value in values.items()}
    return WarmerConfig(**renamed, source=kind, options=options, rate=RateConfig(**rate))


def _nodes(root: Node) -> list[tuple[int, Node]]:
    entries = root.get(("warmers",)) or Node(None)
    listed = [(index, node) for index, node in entries.children.items() if isinstance(index, int)]
    return listed[:MAX_WARMERS]


def _error(root: Node, path: Path, why: str) -> FieldError:
    return FieldError.at(WARMERS_KEY, root.line_of(path), path, why)
