"""The names of entries, as any protocol may send them."""

from __future__ import annotations

from sidecar.api.errors import InvalidRequestError
from sidecar.model.entry import name_error


def full_key(namespace: bytes, key: bytes) -> bytes:
    """The full key of a name (see `model.entry`). Raises InvalidRequestError."""
    check_name(namespace, key)
    return namespace + b"/" + key


def full_scope(namespace: bytes, prefix: bytes) -> bytes:
    """What the full keys begin with that have this prefix in this namespace; all have the empty
    one. Raises InvalidRequestError.
    """
    check_name(namespace, prefix or b"-")
    return namespace + b"/" + prefix


def check_name(namespace: bytes, key: bytes) -> None:
    """Raises InvalidRequestError."""
    wrong = name_error(namespace, key)
    if wrong is not None:
        raise InvalidRequestError(wrong)
