"""Parses query parameters, and rejects those that a route does not take.

A Struct defines the parameters of a route: names, types, bounds and defaults. `/openapi.json`
describes the same Struct.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec.inspect import BoolType, Field, IntType, Metadata, StrType, StructType, Type, type_info

from sidecar.http.problems import ProblemError

MOST_DIGITS = 17
"""The longest number that is parsed: Python is slow with thousands of digits."""

Q = TypeVar("Q", bound=msgspec.Struct)
Read = Callable[[str], Any]


class Parameters(Generic[Q]):
    """Parses a query into `shape`, whose fields are integers with bounds, booleans or text.

    A field of another type needs a function that parses it, in `Meta(extra={"read": ...})`. Text is
    percent-decoded; bytes that are not UTF-8 become surrogates. The handler validates text.
    """

    def __init__(self, shape: type[Q], hint: str = "") -> None:
        """`hint` is added where a parameter is not known."""
        self._shape = shape
        self._hint = hint
        described = type_info(shape)
        assert isinstance(described, StructType)  # noqa: S101  (a Struct is one)
        self._readers = {field.encode_name: _reader(field) for field in described.fields}
        self._attributes = {field.encode_name: field.name for field in described.fields}
        self._required = [field.encode_name for field in described.fields if field.required]
        self._defaults = None if self._required else shape()

    def parse(self, query: str) -> Q:
        """Parse a query. Raises ProblemError (400) for a parameter that is missing, unknown, sent
        twice or invalid: ignoring it would do something other than the client requested.
        """
        if not query and self._defaults is not None:
            return self._defaults
        found: dict[str, Any] = {}
        pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
        if query and not pairs:
            raise refused_query(query, self._hint)
        for name, value in pairs:
            if name not in self._readers:
                raise _unknown(name, self._readers, self._hint)
            if name in found:
                raise ProblemError(400, f"The parameter {name} is sent twice; send it once.")
            found[name] = self._readers[name](value)
        for name in self._required:
            if name not in found:
                raise ProblemError(400, f"The parameter {name} is missing; send ?{name}=...")
        return self._shape(**{self._attributes[name]: value for name, value in found.items()})


def refused_query(query: str, hint: str = "") -> ProblemError:
    """The error of a route without parameters for a query."""
    for name, _ in parse_qsl(query, keep_blank_values=True, errors="surrogateescape"):
        return _unknown(name, (), hint)
    detail = "The query can't be parsed; write it as name=value, or leave it out."
    return ProblemError(400, detail + hint)


def _unknown(name: str, known: Collection[str], hint: str) -> ProblemError:
    takes = f"takes only {', '.join(known)}" if known else "takes none"
    detail = f"There is no parameter {name[:80]!r} here: this path {takes}."
    return ProblemError(400, detail + hint)


def _reader(field: Field) -> Read:
    """The parser of a field's values. Raises TypeError for a type without one."""
    kind: Type = field.type
    if isinstance(kind, Metadata):
        if kind.extra is not None:
            read: Read = kind.extra["read"]
            return read
        kind = kind.type
    if isinstance(kind, IntType):
        return _integer(field.encode_name, kind)
    if isinstance(kind, BoolType):
        return _boolean(field.encode_name)
    if isinstance(kind, StrType):
        return str
    raise TypeError(f"the parameter {field.encode_name} needs a function that reads it")


def _integer(name: str, kind: IntType) -> Read:
    least, most = kind.ge, kind.le
    if least is None or most is None:
        raise TypeError(f"the parameter {name} needs bounds: Meta(ge=..., le=...)")

    def read(text: str) -> int:
        digits = text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
        if not (digits and least <= int(text) <= most):
            raise ProblemError(400, f"{name} takes a whole number from {least} to {most}.")
        return int(text)

    return read


def _boolean(name: str) -> Read:
    def read(text: str) -> bool:
        if text not in {"true", "false"}:
            raise ProblemError(400, f"{name} takes true or false.")
        return text == "true"

    return read
