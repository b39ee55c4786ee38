"""Parses and formats sizes, durations and percentages.

The only place that parses `10MiB`, `1h30m` and `20%`. Arithmetic is exact: a fraction is accepted
only if the result is a whole number of bytes. Errors are ValueErrors with a message for the
operator.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

from sidecar.config.wording import shown

LARGEST_SIZE = 1 << 60
"""1 EiB, or 1048576 TiB: a larger number is a typing error."""

LARGEST_CEILING = 100.0
"""10,000 %: the most that a rule may raise a value to, as a share of what is configured."""

LONGEST_SECONDS = 36_500 * 86_400
"""A hundred years; for more, use `never`."""

_NUMBER = r"([0-9]{1,20}(?:\.[0-9]{1,20})?)"
_SIZE = re.compile(rf"{_NUMBER}(?:([KMGT])iB?|B)?")
_FACTORS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SECONDS: dict[str, int | Fraction] = {
    "d": 86_400,
    "h": 3600,
    "m": 60,
    "s": 1,
    "ms": Fraction(1, 1000),
}
_DURATION = re.compile("".join(rf"(?:{_NUMBER}{unit})?" for unit in _SECONDS))
_PERCENT = re.compile(rf"{_NUMBER}%")


def parse_size(value: object) -> int:
    """The bytes of `512KiB`, `10MiB`, `1.5GiB`, Kubernetes' `10Mi`, or a plain number of them.

    Raises ValueError, also for a fraction of a byte and for more than an EiB. Zero is valid here;
    the caller decides whether to accept it.
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a size; write for example 100MiB")
    exact = Fraction(match[1]) * _FACTORS[match[2] or ""]
    if exact.denominator != 1:
        raise ValueError(f"{shown(value)} is not a whole number of bytes; write a rounder size")
    if exact > LARGEST_SIZE:
        raise ValueError(f"{shown(value)} is more than 1048576TiB; write a smaller size")
    return int(exact)


def format_size(size_bytes: int) -> str:
    """The shortest text that `parse_size` parses to exactly that many bytes."""
    for unit in reversed(_FACTORS):
        if size_bytes and size_bytes % _FACTORS[unit] == 0:
            return f"{size_bytes // _FACTORS[unit]}{unit and unit + 'iB'}"
    return str(size_bytes)


def parse_duration(value: object, *, never: bool = False) -> float:
    """The seconds of `500ms`, `30s`, `1h30m` or `2d`; `math.inf` for `never`, if allowed.

    Units are in descending order, each at most once. Raises ValueError. Zero is valid.
    """
    if never and value == "never":
        return math.inf
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"{shown(value)} has no unit; write {shown(value)}s for seconds")
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        choice = ", or never" if never else ""
        raise ValueError(
            f"{shown(value)} is not a duration; write for example 30s or 1h30m{choice}"
        )
    counts = zip(match.groups(), _SECONDS.values(), strict=True)
    exact = sum((Fraction(count) * unit for count, unit in counts if count), Fraction())
    if exact > LONGEST_SECONDS:
        choice = " or never" if never else ""
        raise ValueError(
            f"{shown(value)} is more than a hundred years; write a shorter one{choice}"
        )
    return float(exact)


def parse_percent(value: object, *, at_most: float = 1.0) -> float:
    """The share for `20%` or `0.5%`: 0.2, 0.005. Raises ValueError, also above `at_most`.

    A plain number is rejected, since 1 could mean 1% or 100%. Zero is valid.
    """
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a percentage; write for example 20%")
    share = Fraction(match[1]) / 100
    if share > at_most:
        most = format_percent(at_most)
        raise ValueError(f"{shown(value)} is more than {most}; write at most {most}")
    return float(share)


def format_percent(share: float) -> str:
    """A share as a percentage, with at most six digits."""
    return f"{share * 100:g}%"
