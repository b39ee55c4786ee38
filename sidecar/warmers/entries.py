"""One record of a source as what is put: the same fields, and the same checks, as in `mset`."""

from __future__ import annotations

import binascii
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from sidecar.api.entries import Encoding, IfError, MaxAge, Seconds, Sliding, Tags, WhileRevalidate
from sidecar.api.errors import InvalidRequestError, RequestError
from sidecar.api.names import full_key
from sidecar.api.terms import tags_of, terms_of
from sidecar.api.values import check_size, content_type_of, life_of
from sidecar.config.values import CacheConfig
from sidecar.model.entry import DEFAULT_CONTENT_TYPE
from sidecar.model.terms import Terms
from sidecar.warmers.records import Record

RECORD_OVERHEAD_BYTES = 64 << 10
MOST_ESCAPED = 6
"""A control character takes six bytes in JSON, and base64 takes less."""


class _Entry(Struct, forbid_unknown_fields=True):
    key: Any
    value: Any
    namespace: str | None = None
    encoding: Encoding = "utf-8"
    content_type: str = DEFAULT_CONTENT_TYPE
    ttl: Seconds | str | None = None
    tags: Tags = ()
    stale_while_revalidate: WhileRevalidate = 0
    stale_if_error: IfError = 0
    sliding: Sliding = False
    max_age: MaxAge = None


class Warm(NamedTuple):
    """What is put."""

    key: bytes
    """The full key."""
    value: bytes
    content_type: str
    life_seconds: float
    terms: Terms | None


def most_record_bytes(config: CacheConfig) -> int:
    """The longest record that can be an entry."""
    return MOST_ESCAPED * config.max_value_bytes + RECORD_OVERHEAD_BYTES


def read(
    record: Record, namespace: str | None, config: CacheConfig, *, is_messagepack: bool
) -> Warm:
    """Raises ValueError with a sentence."""
    if record.data is None:
        most = most_record_bytes(config)
        raise ValueError(f"The line is longer than {most:,} bytes, so its value can't be stored.")
    try:
        entry = _decode_messagepack(record.data) if is_messagepack else _decode_json(record.data)
        return _checked(entry, namespace, config)
    except RequestError as error:
        raise ValueError(error.detail) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"It can't be read: {error}.") from None


def _checked(entry: _Entry, namespace: str | None, config: CacheConfig) -> Warm:
    """Raises RequestError."""
    stated = entry.namespace or namespace
    if stated is None:
        raise InvalidRequestError("It has no namespace, and neither has the warmer.")
    if isinstance(entry.ttl, str) and entry.ttl != "never":
        raise InvalidRequestError("ttl takes seconds, or never.")
    value = _value(entry)
    check_size(len(value), config.max_value_bytes)
    life_seconds = life_of(entry.ttl, config.default_ttl_seconds)
    terms = terms_of(
        stated,
        life_seconds,
        tags=tags_of(entry.tags),
        while_revalidate=entry.stale_while_revalidate,
        if_error=entry.stale_if_error,
        sliding=entry.sliding,
        max_age=entry.max_age,
    )
    name = full_key(stated.encode(), _bytes(entry.key, "key"))
    return Warm(name, value, content_type_of(entry.content_type), life_seconds, terms)


def _value(entry: _Entry) -> bytes:
    if entry.encoding == "utf-8" or not isinstance(entry.value, str):
        return _bytes(entry.value, "value")
    try:
        return binascii.a2b_base64(entry.value.encode(), strict_mode=True)
    except ValueError:
        raise InvalidRequestError("Its value is not base64.") from None


def _bytes(stated: object, field: str) -> bytes:
    """A string, or binary in MessagePack."""
    if isinstance(stated, str):
        return stated.encode()
    if isinstance(stated, bytes):
        return stated
    raise InvalidRequestError(f"{field} takes a string.")


_decode_json = msgspec.json.Decoder(_Entry).decode
_decode_messagepack = msgspec.msgpack.Decoder(_Entry).decode
