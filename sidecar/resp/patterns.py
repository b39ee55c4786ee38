"""Patterns of KEYS, SCAN and PSUBSCRIBE, as `stringmatchlen` of Redis matches them."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

_SPECIAL = re.compile(rb"[*?\[\\]")


@lru_cache(maxsize=256)
def matcher(pattern: bytes) -> re.Pattern[bytes]:
    """An expression that matches what the pattern does, all of it."""
    parts: list[bytes] = []
    at = 0
    while at < len(pattern):
        here = pattern[at : at + 1]
        at += 1
        if here == b"*":
            if not parts or parts[-1] != b".*":
                parts.append(b".*")
        elif here == b"?":
            parts.append(b".")
        elif here == b"[":
            at = _class(pattern, at, parts)
        else:
            if here == b"\\" and at < len(pattern):
                here = pattern[at : at + 1]
                at += 1
            parts.append(re.escape(here))
    # What is matched up to a star need not be tried in another way (as in `fnmatch`).
    return re.compile(b"".join(_without_retries(parts)), re.DOTALL)


def fixed_prefix(pattern: bytes) -> bytes:
    """What all that it matches begins with."""
    special = _SPECIAL.search(pattern)
    return pattern if special is None else pattern[: special.start()]


def _without_retries(parts: list[bytes]) -> list[bytes]:
    stars = [index for index, part in enumerate(parts) if part == b".*"]
    if not stars:
        return parts
    done = parts[: stars[0]]
    for number, (begin, end) in enumerate(pairwise(stars)):
        fixed = b"".join(parts[begin + 1 : end])
        done.append(b"(?=(?P<g%d>.*?%b))(?P=g%d)" % (number, fixed, number))
    return [*done, b".*", *parts[stars[-1] + 1 :]]


def _class(pattern: bytes, at: int, parts: list[bytes]) -> int:
    """Append the expression of a class; returns the position behind it."""
    negated = pattern[at : at + 1] == b"^"
    at += negated
    members: set[int] = set()
    while at < len(pattern):
        here = pattern[at : at + 1]
        if here == b"\\" and at + 1 < len(pattern):
            members.add(pattern[at + 1])
            at += 2
        elif here == b"]":
            at += 1
            break
        elif pattern[at + 1 : at + 2] == b"-" and at + 2 < len(pattern):
            low, high = sorted((pattern[at], pattern[at + 2]))
            members.update(range(low, high + 1))
            at += 3
        else:
            members.add(pattern[at])
            at += 1
    if negated:
        members = set(range(256)) - members
    chosen = b"".join(b"\\x%02x" % member for member in sorted(members))
    parts.append(b"[%b]" % chosen if chosen else b"(?!)")
    return at
