"""Integers of 64 bits in decimal digits, as Redis reads them."""

from __future__ import annotations

import re

LEAST, MOST = -(1 << 63), (1 << 63) - 1
_INTEGER = re.compile(rb"0|-?[1-9][0-9]{0,18}")


def integer_or_none(text: bytes) -> int | None:
    """What its `string2ll` reads: no spaces, no sign but a minus, no zeros in front."""
    if not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if LEAST <= number <= MOST else None
