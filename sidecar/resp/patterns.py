"""Patterns of KEYS, SCAN and PSUBSCRIBE, as `stringmatchlen` of Redis matches them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

from sidecar.resp.errors import RespError

MOST_BYTES = 1_024
"""As long as a key. It takes up to some 10 ms to compile."""
MOST_BYTES_AT_ONCE = 4_096
"""Of all patterns of one command."""
_SPECIAL = re.compile(rb"[*?\[\\]")


def check_together(patterns: Iterable[bytes]) -> None:
    """Raises RespError if they are too long for one command."""
    if sum(map(len, patterns)) > MOST_BYTES_AT_ONCE:
        raise RespError(f"ERR The patterns of a command are up to {MOST_BYTES_AT_ONCE:,} bytes.")


@lru_cache(maxsize=256)
def matcher(pattern: bytes) -> re.Pattern[bytes]:
    """An expression that matches what the pattern does, all of it. Raises RespError."""
    if len(pattern) > MOST_BYTES:
        raise RespError(
            f"ERR A pattern is up to {MOST_BYTES:,} bytes; this one has {len(pattern):,}."
        )
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
    parts.append(b"[%b]" % _ranges(members) if members else b"(?!)")
    return at


def _ranges(members: set[int]) -> bytes:
    """As few as there are: each takes a while to compile."""
    firsts = [each for each in sorted(members) if each - 1 not in members]
    lasts = [each for each in sorted(members) if each + 1 not in members]
    pairs = zip(firsts, lasts, strict=True)
    return b"".join(b"\\x%02x-\\x%02x" % (first, last) for first, last in pairs)
