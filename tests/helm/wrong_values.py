"""Wrong values generated from a schema: at every path, the types and numbers it excludes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from jsonschema import Draft7Validator

Steps = tuple[str | int, ...]
Schema = dict[str, Any]

UNKNOWN = "unknownKey"
OF_EVERY_TYPE: tuple[Any, ...] = ([], {}, 7.5, "no such §value", True)


class Wrong(NamedTuple):
    """A value that is invalid at its path."""

    path: Steps
    value: Any


def nodes(schema: Schema) -> Iterator[tuple[Steps, Schema]]:
    """Every path of a value, with its schema; 0 is any item, "key" any key."""
    yield from _below(schema, (), schema)


def wrong_values(schema: Schema) -> Iterator[Wrong]:
    """The wrong values for every path."""
    for path, node in nodes(schema):
        judged = {**node, "definitions": schema["definitions"]}
        if 0 not in path:
            judged["required"] = []  # a map in the values is merged into the defaults
        allows = Draft7Validator(judged).is_valid
        bounds = (
            node[name] + step for name, step in (("minimum", -1), ("maximum", 1)) if name in node
        )
        for value in (*OF_EVERY_TYPE, *bounds):
            if path and not allows(value):
                yield Wrong(path, value)
        if node.get("additionalProperties") is False:
            yield Wrong((*path, UNKNOWN), 1)


def batches(found: Iterable[Wrong]) -> Iterator[list[Wrong]]:
    """As few groups as possible such that no value of a group is within another."""
    left = sorted(found, key=lambda wrong: -len(wrong.path))
    while left:
        batch: list[Wrong] = []
        taken: set[Steps] = set()
        for wrong in left:
            ways = {wrong.path[:length] for length in range(1, len(wrong.path) + 1)}
            if wrong.path not in taken and not ways & {each.path for each in batch}:
                batch.append(wrong)
                taken |= ways
        yield batch
        left = [wrong for wrong in left if not any(wrong is each for each in batch)]


def document(batch: Iterable[Wrong]) -> dict[str, Any]:
    """Values with all of these at their paths."""
    values: dict[str, Any] = {}
    for path, value in batch:
        node: Any = values
        for step, after in zip(path, (*path[1:], None), strict=True):
            empty: Any = [] if after == 0 else {}
            fill = value if after is None else empty
            if isinstance(node, list):
                if not node:
                    node.append(fill)
                node = node[0]
            else:
                node = node.setdefault(step, fill)
    return values


def _below(node: Schema, path: Steps, schema: Schema) -> Iterator[tuple[Steps, Schema]]:
    node = _resolved(node, schema)
    yield path, node
    yield from _within(node, path, schema)


def _within(node: Schema, path: Steps, schema: Schema) -> Iterator[tuple[Steps, Schema]]:
    for name, child in node.get("properties", {}).items():
        yield from _below(child, (*path, name), schema)
    if isinstance(node.get("additionalProperties"), dict):
        yield from _below(node["additionalProperties"], (*path, "key"), schema)
    if "items" in node:
        yield from _below(node["items"], (*path, 0), schema)


def _resolved(node: Schema, schema: Schema) -> Schema:
    reference: str | None = node.get("$ref")
    if reference is None:
        return node
    found: Schema = schema["definitions"][reference.removeprefix("#/definitions/")]
    return found
