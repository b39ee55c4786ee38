"""The tags of an entry in header fields: `Cache-Groups` (RFC 9875), and `Cache-Tag`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sidecar.api.errors import InvalidRequestError
from sidecar.api.terms import tags_of
from sidecar.http.fields import CACHE_CONTROL, CACHE_GROUPS, CACHE_TAG, list_field

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    Headers = CIMultiDictProxy[str]

_STRING = r'"((?:[ !#-\[\]-~]|\\["\\])*)"'
_ITEM = rf"{_STRING}(?:;[ ]*[a-z*][a-z0-9_.*-]*(?:=[^ \t,;\"]*)?)*"
_STRING_ITEM = re.compile(_ITEM)
_LIST = re.compile(rf"[ ]*(?:{_ITEM}(?:[ \t]*,[ \t]*{_ITEM})*)?[ ]*")
"""RFC 9651, sections 3.1 and 3.3.3; parameters are ignored."""


def may_state_terms(headers: Headers) -> bool:
    """Whether a put may state more than its life: most have none of these fields."""
    return CACHE_CONTROL in headers or CACHE_GROUPS in headers or CACHE_TAG in headers


def tags_in(headers: Headers) -> tuple[str, ...]:
    """The tags in both fields. Raises InvalidRequestError."""
    return tags_of([*_groups(headers), *_tags(headers)])


def _groups(headers: Headers) -> list[str]:
    field = list_field(headers, "Cache-Groups")
    if field is None:
        return []
    if not _LIST.fullmatch(field):
        raise InvalidRequestError('Cache-Groups takes strings in double quotes: "a", "b".')
    return [re.sub(r"\\(.)", r"\1", found[1]) for found in _STRING_ITEM.finditer(field)]


def _tags(headers: Headers) -> list[str]:
    field = list_field(headers, "Cache-Tag")
    if field is None:
        return []
    if '"' in field:
        raise InvalidRequestError("Cache-Tag takes tags without quotes: a, b.")
    return [tag for each in field.split(",") if (tag := each.strip(" \t"))]


def groups_line(tags: tuple[str, ...]) -> str:
    """The header field that names them."""
    quoted = (tag.replace("\\", "\\\\").replace('"', '\\"') for tag in tags)
    return "Cache-Groups: {}\r\n".format(", ".join(f'"{tag}"' for tag in quoted))
