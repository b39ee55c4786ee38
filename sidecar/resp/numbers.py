"""Numbers as Redis reads and writes them.

Its floats are the `long double` of x86-64: a mantissa of 64 bits, which Python lacks. They are
exact fractions here, rounded to that.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from sidecar.api.integers import integer_or_none
from sidecar.resp.errors import NOT_A_FLOAT, NOT_AN_INTEGER, RespError

_FLOAT = re.compile(
    rb"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf(?:inity)?)", re.IGNORECASE
)
_HEX_FLOAT = re.compile(
    rb"([+-]?)0x([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?[0-9]+))?", re.IGNORECASE
)
MANTISSA_BITS, MOST_EXPONENT = 64, 16384
MOST_FLOAT_CHARACTERS = 5 * 1024
MOST_DECIMAL_EXPONENT = 5000
MOST_DIGITS_OF_EXPONENT = 5
DECIMALS = 17


def integer_of(text: bytes) -> int:
    """Raises RespError."""
    number = integer_or_none(text)
    if number is None:
        raise RespError(NOT_AN_INTEGER)
    return number


def float_of(text: bytes) -> Fraction | None:
    """What `string2ld` reads, rounded; None for an infinity. Raises RespError."""
    if len(text) >= MOST_FLOAT_CHARACTERS:
        raise RespError(NOT_A_FLOAT)
    number = _exact_of(text)
    if number is None:
        return None
    rounded = _rounded(number)
    if rounded is None or (number and not rounded):
        raise RespError(NOT_A_FLOAT)  # beyond what there is
    return rounded


def _exact_of(text: bytes) -> Fraction | None:
    """A decimal or hexadecimal number; None for an infinity. Raises RespError, also for one that is
    so large or so small that there is none, before it is computed.
    """
    if hexadecimal := _HEX_FLOAT.fullmatch(text):
        sign, whole, part, exponent = hexadecimal.groups(b"")
        if not (whole or part) or len(exponent.lstrip(b"+-0")) > MOST_DIGITS_OF_EXPONENT:
            raise RespError(NOT_A_FLOAT)
        digits = int(whole + part, 16)
        scale = int(exponent or b"0") - 4 * len(part)
        if digits and abs(digits.bit_length() + scale) > 2 * MOST_EXPONENT:
            raise RespError(NOT_A_FLOAT)
        number = Fraction(digits) * Fraction(2) ** scale if digits else Fraction(0)
        return -number if sign == b"-" else number
    if not _FLOAT.fullmatch(text):
        raise RespError(NOT_A_FLOAT)
    if b"n" in text.lower():
        return None
    exponent = text.lower().partition(b"e")[2]
    if len(exponent.lstrip(b"+-0")) > MOST_DIGITS_OF_EXPONENT:
        raise RespError(NOT_A_FLOAT)
    decimal = Decimal(text.decode())  # unlike `int`, it takes any number of digits
    if decimal and abs(decimal.adjusted()) > MOST_DECIMAL_EXPONENT:
        raise RespError(NOT_A_FLOAT)
    return Fraction(decimal) if decimal else Fraction(0)


def sum_of(one: Fraction, other: Fraction) -> Fraction | None:
    """Rounded; None for an infinity."""
    return _rounded(one + other)


def text_of(number: Fraction) -> bytes:
    """As `ld2string` writes it for people: 17 decimals at most, and no zeros behind them."""
    scaled = round(number * 10**DECIMALS)  # half to even
    whole, part = divmod(abs(scaled), 10**DECIMALS)
    decimals = f"{part:0{DECIMALS}}".rstrip("0")
    digits = f"{Decimal(whole):f}"
    text = f"{digits}.{decimals}" if decimals else digits
    return f"-{text}".encode() if scaled < 0 else text.encode()


def _rounded(number: Fraction) -> Fraction | None:
    """To the mantissa's bits, half to even; None beyond the largest."""
    if not number:
        return number
    size = abs(number)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if size >= Fraction(2) ** (exponent + 1):
        exponent += 1
    elif size < Fraction(2) ** exponent:
        exponent -= 1
    exponent = max(exponent, 2 - MOST_EXPONENT)  # below it, there are fewer bits
    unit = Fraction(2) ** (exponent + 1 - MANTISSA_BITS)
    rounded = round(size / unit) * unit
    if rounded >= Fraction(2) ** MOST_EXPONENT:
        return None
    return rounded if number > 0 else -rounded
