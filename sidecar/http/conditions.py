"""Conditional requests (RFC 9110, section 13)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from sidecar.api.conditions import Condition, Versions
from sidecar.api.errors import InvalidRequestError
from sidecar.http.fields import IF_MATCH, IF_NONE_MATCH, list_field
from sidecar.model.entry import Entry

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    Headers = CIMultiDictProxy[str]

_ENTITY_TAG = r'(?:W/)?"[^\x00-\x20"\x7f]*"'
_TAG = re.compile(_ENTITY_TAG)
_TAGS = re.compile(rf"[ \t]*(?:{_ENTITY_TAG}[ \t]*)?(?:,[ \t]*(?:{_ENTITY_TAG}[ \t]*)?)*")
"""RFC 9110, sections 8.8.3 and 5.6.1."""


def etag(entry: Entry) -> str:
    """The ETag of an entry: unique for each write, and so a strong validator."""
    return f'"{entry.seq:x}"'


def condition_of(headers: Headers) -> Condition | None:
    """The condition in If-Match and If-None-Match of a write; None if both are absent."""
    if IF_MATCH not in headers and IF_NONE_MATCH not in headers:
        return None
    return Condition(
        only_if=_versions(headers, "If-Match", weak=False),
        unless=_versions(headers, "If-None-Match", weak=True),
    )


def status_of_read(headers: Headers, entry: Entry) -> Literal[200, 304, 412]:
    """The status of a read of `entry`, by the precedence of RFC 9110, section 13.2.2."""
    if_match = _versions(headers, "If-Match", weak=False)
    if_none_match = _versions(headers, "If-None-Match", weak=True)
    if if_match is not None and not if_match.include(entry):
        return 412
    if if_none_match is not None and if_none_match.include(entry):
        return 304
    return 200


def _versions(headers: Headers, name: str, *, weak: bool) -> Versions | None:
    """The versions in a field; None if it is absent. Raises InvalidRequestError.

    `weak`: use weak comparison (RFC 9110, section 8.8.3.2). A field that is not a list of tags is
    an error: read as a tag that no entry has, it would lead to a 412 that is hard to explain, or to
    a condition that is always true.
    """
    field = list_field(headers, name)
    if field is None:
        return None
    if field.strip(" \t") == "*":
        return Versions(any=True)
    tags = _TAG.findall(field)
    if not tags or not _TAGS.fullmatch(field):
        raise InvalidRequestError(f'{name} takes ETags in double quotes ("1f0a", "2b"), or *.')
    if weak:
        tags = [tag.removeprefix("W/") for tag in tags]
    return Versions(frozenset(seq for tag in tags if (seq := _seq(tag)) is not None))


def _seq(tag: str) -> int | None:
    """The sequence number in a tag that `etag` made; None for any other tag."""
    try:
        seq = int(tag[1:-1], 16)
    except ValueError:
        return None
    return seq if tag == f'"{seq:x}"' else None
