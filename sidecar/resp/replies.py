"""Replies in RESP2 and RESP3 (the Redis serialization protocol specification).

A reply is made for the version of the protocol that its client has chosen; most are the same in
both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

OK: Final = b"+OK\r\n"
QUEUED: Final = b"+QUEUED\r\n"
ZERO, ONE = b":0\r\n", b":1\r\n"
NULL2: Final = b"$-1\r\n"
NULL3: Final = b"_\r\n"
EMPTY: Final = b"*0\r\n"
_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")


def null(protocol: int) -> bytes:
    """An absent value."""
    return NULL3 if protocol == 3 else NULL2


def null_array(protocol: int) -> bytes:
    """An absent array, such as the result of a transaction that was not run."""
    return NULL3 if protocol == 3 else b"*-1\r\n"


def simple(text: bytes) -> bytes:
    return b"+%b\r\n" % text


def error(text: str | bytes) -> bytes:
    """An error, beginning with its code. Line breaks would end it, so they become spaces."""
    line = text if isinstance(text, bytes) else text.encode(errors="surrogateescape")
    return b"-%b\r\n" % line.translate(_LINE_BREAKS)


def integer(number: int) -> bytes:
    return b":%d\r\n" % number


def boolean(protocol: int, value: bool) -> bytes:
    """RESP2 has no type for it."""
    if protocol == 3:
        return b"#t\r\n" if value else b"#f\r\n"
    return ONE if value else ZERO


def bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


def verbatim(protocol: int, text: bytes) -> bytes:
    """Text for people; RESP2 has no type for it."""
    return b"=%d\r\ntxt:%b\r\n" % (len(text) + 4, text) if protocol == 3 else bulk(text)


def array(parts: Sequence[bytes]) -> bytes:
    return b"*%d\r\n%b" % (len(parts), b"".join(parts))


def set_of(protocol: int, parts: Sequence[bytes]) -> bytes:
    return b"%b%d\r\n%b" % (b"~" if protocol == 3 else b"*", len(parts), b"".join(parts))


def map_of(protocol: int, pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Keys and values, both replies; in RESP2 they follow each other in an array."""
    parts = [part for pair in pairs for part in pair]
    if protocol == 3:
        return b"%%%d\r\n%b" % (len(parts) // 2, b"".join(parts))
    return array(parts)


def push(protocol: int, parts: Sequence[bytes]) -> bytes:
    """A message that is no reply; in RESP2 it looks like one."""
    return b"%b%d\r\n%b" % (b">" if protocol == 3 else b"*", len(parts), b"".join(parts))
