"""Databases and the namespaces that they are."""

from __future__ import annotations

from sidecar.api.integers import integer_or_none
from sidecar.model.entry import name_error
from sidecar.resp.errors import NOT_AN_INTEGER, RespError

DATABASES = 16
"""As many as Redis has by default. Other namespaces are selected by their names."""
OUT_OF_RANGE = "ERR DB index is out of range"


def namespace_of(database: int) -> bytes:
    return b"db%d" % database


def is_database(namespace: bytes) -> bool:
    """Whether it is one by its name; its number may be too high for SELECT."""
    return namespace.startswith(b"db") and namespace[2:].isdigit()


def prefix_of(database: int) -> bytes:
    """What the full keys of a database begin with."""
    return namespace_of(database) + b"/"


def database_of(text: bytes) -> int:
    """Raises RespError."""
    number = integer_or_none(text)
    if number is None:
        raise RespError(NOT_AN_INTEGER)
    if not 0 <= number < DATABASES:
        raise RespError(OUT_OF_RANGE)
    return number


def selected(text: bytes) -> bytes:
    """The namespace that SELECT takes: a number is a database's. Raises RespError."""
    number = integer_or_none(text)
    if number is not None:
        if not 0 <= number < DATABASES:
            raise RespError(OUT_OF_RANGE)
        return namespace_of(number)
    if text.isdigit() or name_error(text, b"-") is not None:
        raise RespError(NOT_AN_INTEGER)
    return text
