"""Conditional requests (RFC 9110, section 13) and the headers of freshness (RFC 9111)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sidecar.http.problems import ProblemError
from sidecar.model.entry import Entry
from sidecar.store.store import Condition

NEVER_SECONDS = 31_536_000
"""What max-age says of an entry that does not expire: a year."""
MAX_TTL_SECONDS = 10 * NEVER_SECONDS


def etag(entry: Entry) -> str:
    """Unique for each write, and a strong validator: another write is another representation."""
    return f'"{entry.seq:x}"'


def condition_of(headers: Mapping[str, str]) -> Condition | None:
    """What If-Match and If-None-Match ask of a write; None where they are absent."""
    if_match, if_none_match = headers.get("If-Match"), headers.get("If-None-Match")
    if if_match is None and if_none_match is None:
        return None

    def holds(entry: Entry | None) -> bool:
        tag = None if entry is None else etag(entry)
        if if_match is not None and not _matches(if_match, tag, weak=False):
            return False
        return if_none_match is None or not _matches(if_none_match, tag, weak=True)

    return holds


def not_modified(if_none_match: str, entry: Entry) -> bool:
    """Whether a reader has this version already."""
    return _matches(if_none_match, etag(entry), weak=True)


def _matches(field: str, tag: str | None, *, weak: bool) -> bool:
    """Whether a list of entity tags names `tag`; None is the tag of what does not exist."""
    if tag is None:
        return False
    if field.strip() == "*":
        return True
    for candidate in field.split(","):
        named = candidate.strip()
        if weak:
            named = named.removeprefix("W/")
        if named == tag:
            return True
    return False


def ttl_of(headers: Mapping[str, str], parameter: str | None, default: float) -> float:
    """The life of a value in seconds, `inf` for ever: `?ttl=` first, then max-age, else default."""
    if parameter is not None:
        return seconds_of(parameter)
    for directive in headers.get("Cache-Control", "").split(","):
        name, _, argument = directive.strip().partition("=")
        if name.lower() == "max-age":
            digits = argument.strip('"')
            if not (digits.isascii() and digits.isdigit()):
                raise ProblemError(400, "Cache-Control: max-age takes whole seconds: max-age=60.")
            return float(min(int(digits[:12]), MAX_TTL_SECONDS))
    return default


def seconds_of(ttl: str) -> float:
    """A life in seconds as a number, or `never`. Raises ProblemError."""
    if ttl == "never":
        return math.inf
    try:
        seconds = float(ttl)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_TTL_SECONDS:
        raise ProblemError(400, f"ttl takes seconds from 0 to {MAX_TTL_SECONDS}, or never: ttl=60.")
    return seconds
