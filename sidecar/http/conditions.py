"""Conditional requests (RFC 9110, section 13)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sidecar.api import conditions
from sidecar.api.conditions import Condition, Versions
from sidecar.api.errors import InvalidRequestError, condition_failed
from sidecar.http.accepting import CODINGS, IDENTITY, Accepted
from sidecar.http.fields import IF_MATCH, IF_NONE_MATCH, list_field
from sidecar.model.entry import Entry

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    Headers = CIMultiDictProxy[str]

_ANY = "*"
_ENTITY_TAG = r'(?:W/)?"[^\x00-\x20"\x7f]*"'
_TAG = re.compile(_ENTITY_TAG)
_TAGS = re.compile(rf"[ \t]*(?:{_ENTITY_TAG}[ \t]*)?(?:,[ \t]*(?:{_ENTITY_TAG}[ \t]*)?)*")
"""RFC 9110, sections 8.8.3 and 5.6.1."""


def etag(entry: Entry, coding: str = IDENTITY) -> str:
    """The ETag of an entry in a coding: unique for each write, and so a strong validator."""
    tag = conditions.etag(entry)
    return tag if coding == IDENTITY else f'{tag[:-1]}-{coding}"'


def condition_of(headers: Headers) -> Condition | None:
    """The condition in If-Match and If-None-Match of a write; None if both are absent."""
    if IF_MATCH not in headers and IF_NONE_MATCH not in headers:
        return None
    return Condition(
        only_if=_versions(headers, "If-Match", weak=False),
        unless=_versions(headers, "If-None-Match", weak=True),
    )


def coding_held(headers: Headers, entry: Entry, accepted: Accepted) -> str | None:
    """The coding in which the client has `entry`, so that the answer is 304; None if it is to be
    sent. By the precedence of RFC 9110, section 13.2.2. Raises ConditionFailedError.

    The ETag of a coding that the client does not accept, by its Accept-Encoding, is none that it
    could get: a cache may list it that has the value for another client.
    """
    if_match = _versions(headers, "If-Match", weak=False)
    tags = _tags(headers, "If-None-Match", weak=True)
    if if_match is not None and not if_match.include(entry):
        raise condition_failed()
    if tags is None:
        return None
    if tags == [_ANY]:
        return IDENTITY
    return next((coding for coding in accepted if etag(entry, coding) in tags), None)


def _versions(headers: Headers, name: str, *, weak: bool) -> Versions | None:
    """The versions in a field, in any coding; None if it is absent. Raises InvalidRequestError."""
    tags = _tags(headers, name, weak=weak)
    if tags is None:
        return None
    if tags == [_ANY]:
        return Versions(any=True)
    return Versions(frozenset(seq for tag in tags if (seq := _seq(tag)) is not None))


def _tags(headers: Headers, name: str, *, weak: bool) -> list[str] | None:
    """The tags in a field, or _ANY alone; None if it is absent. Raises InvalidRequestError.

    `weak`: use weak comparison (RFC 9110, section 8.8.3.2). A field that is not a list of tags is
    an error: read as a tag that no entry has, it would lead to a 412 that is hard to explain, or to
    a condition that is always true.
    """
    field = list_field(headers, name)
    if field is None:
        return None
    if field.strip(" \t") == _ANY:
        return [_ANY]
    tags = _TAG.findall(field)
    if not tags or not _TAGS.fullmatch(field):
        raise InvalidRequestError(f'{name} takes ETags in double quotes ("1f0a", "2b"), or *.')
    return [tag.removeprefix("W/") for tag in tags] if weak else tags


def _seq(tag: str) -> int | None:
    """The sequence number in a tag that `etag` made; None for any other tag."""
    number, dash, coding = tag[1:-1].partition("-")
    try:
        seq = int(number, 16)
    except ValueError:
        return None
    is_ours = tag[:1] == '"' and number == f"{seq:x}" and (not dash or coding in CODINGS)
    return seq if is_ours else None
