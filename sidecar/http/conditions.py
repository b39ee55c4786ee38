"""Conditional requests (RFC 9110, section 13) and `Cache-Control: max-age` (RFC 9111)."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

from sidecar.api.conditions import Condition, Versions
from sidecar.api.errors import InvalidRequestError
from sidecar.api.values import MAX_TTL_SECONDS
from sidecar.http.fields import CACHE_CONTROL, EXPIRES, IF_MATCH, IF_NONE_MATCH, list_field
from sidecar.model.entry import Entry

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    Headers = CIMultiDictProxy[str]

_ENTITY_TAG = r'(?:W/)?"[^\x00-\x20"\x7f]*"'
_TAG = re.compile(_ENTITY_TAG)
_TAGS = re.compile(rf"[ \t]*(?:{_ENTITY_TAG}[ \t]*)?(?:,[ \t]*(?:{_ENTITY_TAG}[ \t]*)?)*")
"""RFC 9110, sections 8.8.3 and 5.6.1."""
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_DIRECTIVE = re.compile(rf'({_WORD})(?:=({_WORD}|"(?:[^"\\]|\\.)*"))?')
_DIRECTIVES = re.compile(
    rf"[ \t]*(?:{_DIRECTIVE.pattern}[ \t]*)?(?:,[ \t]*(?:{_DIRECTIVE.pattern}[ \t]*)?)*"
)
"""RFC 9111, section 5.2, and RFC 9110, section 5.6.1."""
_STATE_IT = "To store it all the same, state its life: ?ttl=60."


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


def ttl_of(headers: Headers, default: float, now: float) -> float:
    """The lifetime of a value in seconds: max-age, else what is left until Expires, else `default`
    (may be `inf`). Raises InvalidRequestError for a field that forbids to store the value, and for
    one that cannot be read or contradicts itself, since it may have meant to.

    Of the other directives, `no-cache` and `private` concern those who answer others with it.
    """
    if CACHE_CONTROL not in headers and EXPIRES not in headers:
        return default
    directives = _directives(list_field(headers, "Cache-Control") or "")
    if "no-store" in directives:
        raise InvalidRequestError(
            f"Cache-Control: no-store forbids to store the value. {_STATE_IT}"
        )
    expires = headers.getall(EXPIRES, [])
    if len(expires) > 1:
        raise InvalidRequestError("There is more than one Expires field; send it once.")
    if "max-age" in directives:
        [digits, *others] = directives["max-age"]
        if others:
            raise InvalidRequestError("Cache-Control has more than one max-age; send it once.")
        if not (digits.isascii() and digits.isdigit()):
            raise InvalidRequestError("Cache-Control: max-age takes whole seconds: max-age=60.")
        seconds = float(min(int(digits[:12]), MAX_TTL_SECONDS))
    elif expires:
        seconds = min(_moment(expires[0]) - now, MAX_TTL_SECONDS)
    else:
        return default
    if seconds <= 0:
        raise InvalidRequestError(f"The value has expired by its own header fields. {_STATE_IT}")
    return seconds


def _directives(field: str) -> dict[str, list[str]]:
    """The arguments of each cache directive. Raises InvalidRequestError."""
    if not _DIRECTIVES.fullmatch(field):
        raise InvalidRequestError(
            "Cache-Control is a list of directives with commas between them, such as max-age=60."
        )
    found: dict[str, list[str]] = {}
    for name, argument in _DIRECTIVE.findall(field):
        found.setdefault(name.lower(), []).append(argument.strip('"'))
    return found


def _moment(date: str) -> float:
    """The time of an HTTP date, in seconds since the epoch; 0 if it is none, as in `Expires: 0`
    (RFC 9111, section 5.3). It is in GMT, also in the form of asctime, which has no zone.
    """
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
