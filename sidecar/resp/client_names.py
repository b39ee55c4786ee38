"""What clients may call themselves, and their libraries."""

from __future__ import annotations

UNPRINTABLE = "ERR Client names cannot contain spaces, newlines or special characters."


def is_printable(text: bytes) -> bool:
    return all(0x21 <= each <= 0x7E for each in text)
