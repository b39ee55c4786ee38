"""Conditional requests (RFC 9110, section 13) and the headers of freshness (RFC 9111)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from sidecar.api.values import MAX_TTL_SECONDS
from sidecar.http.problems import ProblemError
from sidecar.model.entry import Entry
from sidecar.store.store import Condition

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
    if_match, if_none_match = _tags(headers, "If-Match"), _tags(headers, "If-None-Match")

    def holds(entry: Entry | None) -> bool:
        tag = None if entry is None else etag(entry)
        if if_match is not None and not _matches(if_match, tag, weak=False):
            return False
        return if_none_match is None or not _matches(if_none_match, tag, weak=True)

    return holds


def status_of_read(headers: Headers, entry: Entry) -> Literal[200, 304, 412]:
    """What a read of `entry` comes to, in the order of RFC 9110, section 13.2.2."""
    if_match, if_none_match = _tags(headers, "If-Match"), _tags(headers, "If-None-Match")
    if if_match is not None and not _matches(if_match, etag(entry), weak=False):
        return 412
    if if_none_match is not None and _matches(if_none_match, etag(entry), weak=True):
        return 304
    return 200


def _field(headers: Headers, name: str) -> str | None:
    """A list, which may stand in several lines (RFC 9110, section 5.3)."""
    lines = headers.getall(name, [])
    return ",".join(lines) if lines else None


def _tags(headers: Headers, name: str) -> list[str] | None:
    """The entity tags of a field, or ["*"]; None where it is absent. Raises ProblemError.

    What is no list of tags is refused: taken for a tag that nothing has, it would be a 412 whose
    reason nobody finds, or a condition that always holds.
    """
    field = _field(headers, name)
    if field is None:
        return None
    if field.strip(" \t") == "*":
        return ["*"]
    tags = _TAG.findall(field)
    if not tags or not _TAGS.fullmatch(field):
        raise ProblemError(400, f'{name} takes ETags in their double quotes ("1f0a", "2b"), or *.')
    return tags


def _matches(tags: list[str], tag: str | None, *, weak: bool) -> bool:
    """Whether `tags` name `tag`; None is the tag of what does not exist."""
    if tag is None:
        return False
    return tags == ["*"] or tag in tags or (weak and f"W/{tag}" in tags)


def ttl_of(headers: Headers, default: float) -> float:
    """The life of a value in seconds, `inf` for ever: max-age, else default."""
    if "Cache-Control" not in headers:
        return default
    for directive in (_field(headers, "Cache-Control") or "").split(","):
        name, _, argument = directive.strip().partition("=")
        if name.lower() == "max-age":
            digits = argument.strip('"')
            if not (digits.isascii() and digits.isdigit()):
                raise ProblemError(400, "Cache-Control: max-age takes whole seconds: max-age=60.")
            return float(min(int(digits[:12]), MAX_TTL_SECONDS))
    return default
