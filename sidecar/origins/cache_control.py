"""Cache directives of a response: the field `Cache-Control` (RFC 9111, section 5.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_SECONDS = 2.0**31
"""More seconds than that count as that many (RFC 9111, section 1.2.2)."""
MAX_CHARACTERS = 8190
"""Of all lines of a field that is a list."""

# Possessive, so that no input makes them try twice.
_MEMBER = r'(?:[^,"]|"(?:[^"\\]|\\.)*+")*+'
_MEMBERS = re.compile(rf"{_MEMBER}(?:,{_MEMBER})*+", re.DOTALL)
_EACH = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*+")++', re.DOTALL)

Directives = dict[str, list[str]]
"""The arguments of each directive by its name in lower case; empty for one without."""


def directives_of(lines: Sequence[str]) -> Directives | None:
    """The directives in all lines of the field; None if they cannot be told apart."""
    field = ",".join(lines)
    if len(field) > MAX_CHARACTERS or not _MEMBERS.fullmatch(field):
        return None
    found: Directives = {}
    for member in _EACH.findall(field):
        name, _, argument = member.partition("=")
        found.setdefault(name.strip(" \t").lower(), []).append(argument.rstrip(" \t"))
    return found


def seconds_in(directives: Directives, name: str) -> float | None:
    """The argument of a directive in seconds; None if the directive is absent.

    0 for an argument that is not a number, and for two that differ: a response whose freshness is
    not valid is taken as stale (RFC 9111, section 4.2.1).
    """
    arguments = directives.get(name)
    if arguments is None:
        return None
    [argument, *others] = {each.removeprefix('"').removesuffix('"') for each in arguments}
    return 0.0 if others else whole_seconds(argument) or 0.0


def whole_seconds(text: str) -> float | None:
    """Delta-seconds (RFC 9111, section 1.2.2); None for anything else."""
    if not (text.isascii() and text.isdigit()):
        return None
    return MAX_SECONDS if len(text.lstrip("0")) > 10 else min(float(text), MAX_SECONDS)
