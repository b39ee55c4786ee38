"""Conditional requests (RFC 9110, section 13) and the headers of freshness (RFC 9111)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from sidecar.api.conditions import Condition, Versions
from sidecar.api.errors import InvalidRequestError
from sidecar.api.values import MAX_TTL_SECONDS
from sidecar.model.entry import Entry

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    Headers = CIMultiDictProxy[str]

_ENTITY_TAG = r'(?:W/)?"[^\x00-\x20"\x7f]*"'
_TAG = re.compile(_ENTITY_TAG)
_TAGS = re.compile(rf"[ \t]*(?:{_ENTITY_TAG}[ \t]*)?(?:,[ \t]*(?:{_ENTITY_TAG}[ \t]*)?)*")
"""RFC 9110, sections 8.8.3 and 5.6.1."""


def etag(entry: Entry) -> str:
    """Unique for each write, and a strong validator: another write is another representation."""
    return f'"{entry.seq:x}"'


def condition_of(headers: Headers) -> Condition | None:
    """What If-Match and If-None-Match ask of a write; None where they are absent."""
    if "If-Match" not in headers and "If-None-Match" not in headers:
        return None
    return Condition(
        only_if=_versions(headers, "If-Match", weak=False),
        unless=_versions(headers, "If-None-Match", weak=True),
    )


def status_of_read(headers: Headers, entry: Entry) -> Literal[200, 304, 412]:
    """What a read of `entry` comes to, in the order of RFC 9110, section 13.2.2."""
    if_match = _versions(headers, "If-Match", weak=False)
    if_none_match = _versions(headers, "If-None-Match", weak=True)
    if if_match is not None and not if_match.include(entry):
        return 412
    if if_none_match is not None and if_none_match.include(entry):
        return 304
    return 200


def _field(headers: Headers, name: str) -> str | None:
    """A list, which may stand in several lines (RFC 9110, section 5.3)."""
    lines = headers.getall(name, [])
    return ",".join(lines) if lines else None


def _versions(headers: Headers, name: str, *, weak: bool) -> Versions | None:
    """The versions that a field names; None where it is absent. Raises InvalidRequestError.

    `weak` is whether weak tags are compared, too (RFC 9110, section 8.8.3.2). What is no list of
    tags is refused: taken for a tag that nothing has, it would be a 412 whose reason is hard to
    find, or a condition that always holds.
    """
    field = _field(headers, name)
    if field is None:
        return None
    if field.strip(" \t") == "*":
        return Versions(any=True)
    tags = _TAG.findall(field)
    if not tags or not _TAGS.fullmatch(field):
        raise InvalidRequestError(
            f'{name} takes ETags in their double quotes ("1f0a", "2b"), or *.'
        )
    if weak:
        tags = [tag.removeprefix("W/") for tag in tags]
    return Versions(frozenset(seq for tag in tags if (seq := _seq(tag)) is not None))


def _seq(tag: str) -> int | None:
    """The sequence number of which `etag` makes this tag; None for any other tag."""
    try:
        seq = int(tag[1:-1], 16)
    except ValueError:
        return None
    return seq if tag == f'"{seq:x}"' else None


def ttl_of(headers: Headers, default: float) -> float:
    """The life of a value in seconds, `inf` for ever: max-age, else default."""
    if "Cache-Control" not in headers:
        return default
    for directive in (_field(headers, "Cache-Control") or "").split(","):
        name, _, argument = directive.strip().partition("=")
        if name.lower() == "max-age":
            digits = argument.strip('"')
            if not (digits.isascii() and digits.isdigit()):
                raise InvalidRequestError("Cache-Control: max-age takes whole seconds: max-age=60.")
            return float(min(int(digits[:12]), MAX_TTL_SECONDS))
    return default
