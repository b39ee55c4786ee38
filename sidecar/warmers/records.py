"""Divides the bytes of a source into records: the lines of NDJSON, or the objects of MessagePack.

Sans-IO: pieces of any size go in, records come out, with their numbers from 1. What is held is
bounded by a record and a piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

MOST_DEPTH = 8
"""An entry needs two."""


class Record(NamedTuple):
    """A record. One that is too long has no data."""

    number: int
    data: bytes | None


class BrokenStreamError(Exception):
    """It is not known where the next record begins. The message is a sentence."""


class Records(Protocol):
    """Divides one format."""

    is_messagepack: bool

    @property
    def held_bytes(self) -> int:
        """What is kept of a record that has not ended."""

    def feed(self, piece: bytes) -> Iterator[Record]:
        """The records that end in this piece. Raises BrokenStreamError."""

    def end(self) -> Iterator[Record]:
        """The last record, if nothing ends it. Raises BrokenStreamError."""


def records_of(begin: bytes, most_bytes: int) -> Records:
    """Divides a source that begins with these bytes: MessagePack if that is a map."""
    first = begin[:1]
    is_map = b"\x80" <= first <= b"\x8f" or first in (b"\xde", b"\xdf")
    return Objects(most_bytes) if is_map else Lines(most_bytes)


class Lines:
    """The lines of NDJSON without their ends, in UTF-8 with or without a mark. Empty lines are
    counted, and not given.
    """

    is_messagepack = False

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._begun: list[bytes] = []
        self._begun_bytes = 0
        self._number = 0

    @property
    def held_bytes(self) -> int:
        return self._begun_bytes if self._begun else 0

    def feed(self, piece: bytes) -> Iterator[Record]:
        *whole, rest = piece.split(b"\n")
        for part in whole:
            self._hold(part)
            yield from self._line()
        self._hold(rest)

    def end(self) -> Iterator[Record]:
        if self._begun_bytes:
            yield from self._line()

    def _hold(self, part: bytes) -> None:
        self._begun_bytes += len(part)
        if self._begun_bytes <= self._most_bytes:
            self._begun.append(part)
        else:  # it is counted to its end, and not kept
            self._begun.clear()

    def _line(self) -> Iterator[Record]:
        self._number += 1
        data = b"".join(self._begun)
        is_too_long = self._begun_bytes > self._most_bytes
        self._begun.clear()
        self._begun_bytes = 0
        if is_too_long:
            yield Record(self._number, None)
            return
        if self._number == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        if data := data.strip():
            yield Record(self._number, data)


class Objects:
    """The objects of MessagePack that follow each other."""

    is_messagepack = True

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held = bytearray()
        self._number = 0
        self._wanted_bytes = 0

    @property
    def held_bytes(self) -> int:
        return len(self._held)

    def feed(self, piece: bytes) -> Iterator[Record]:
        held = self._held
        held += piece
        if len(held) < self._wanted_bytes:  # else a large value would be measured for each piece
            return
        at = 0
        while at < len(held):
            end, self._wanted_bytes = _end_of(held, at, self._number + 1)
            if self._wanted_bytes > self._most_bytes:
                raise BrokenStreamError(
                    f"Entry {self._number + 1} takes more than {self._most_bytes:,} bytes, so that "
                    "those behind it were not read."
                )
            if end is None:
                break
            self._number += 1
            yield Record(self._number, bytes(held[at:end]))
            at = end
        del held[:at]

    def end(self) -> Iterator[Record]:
        if self._held:
            raise BrokenStreamError(f"Entry {self._number + 1} ends before its last byte.")
        yield from ()


_UNUSED = 0xC1
_SIZED = {
    **dict.fromkeys((0xC4, 0xD9), (1, 0)),
    **dict.fromkeys((0xC5, 0xDA), (2, 0)),
    **dict.fromkeys((0xC6, 0xDB), (4, 0)),
    0xC7: (1, 1),
    0xC8: (2, 1),
    0xC9: (4, 1),
}
"""Types with a length: the bytes of that, and those behind it that it does not count."""
_FIXED = {
    **dict.fromkeys((0xCC, 0xD0), 1),
    **dict.fromkeys((0xCD, 0xD1, 0xD4), 2),
    **dict.fromkeys((0xCA, 0xCE, 0xD2), 4),
    **dict.fromkeys((0xCB, 0xCF, 0xD3), 8),
    0xD5: 3,
    0xD6: 5,
    0xD7: 9,
    0xD8: 17,
}
"""Types with so many bytes behind them."""
_CONTAINERS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
"""Arrays and maps: the bytes of their count, and the values for each of that."""


def _end_of(data: bytearray, begin: int, number: int) -> tuple[int | None, int]:
    """Where an object ends, or None; and the fewest bytes that it takes. Raises
    BrokenStreamError.
    """
    at = begin
    left = [1]
    """The values that are due, for each container around."""
    while left:
        if at >= len(data):
            return None, at - begin + 1
        if data[at] == _UNUSED:
            raise BrokenStreamError(f"Entry {number} is not MessagePack.")
        left[-1] -= 1
        at, values = _head(data, at)
        if at > len(data):
            return None, at - begin
        if values:
            left.append(values)
        if len(left) > MOST_DEPTH:
            raise BrokenStreamError(f"Entry {number} is nested too deeply.")
        while left and not left[-1]:
            left.pop()
    return at, at - begin


def _head(data: bytearray, at: int) -> tuple[int, int]:
    """Where a value ends without those that it contains, and how many those are; an end behind the
    data if that does not have the head (the MessagePack specification, formats).
    """
    kind = data[at]
    at += 1
    if 0x80 <= kind <= 0x9F:
        return at, (kind & 0x0F) * (2 if kind < 0x90 else 1)
    if 0xA0 <= kind <= 0xBF:
        return at + (kind & 0x1F), 0
    if kind in _CONTAINERS:
        wide, each = _CONTAINERS[kind]
        return at + wide, int.from_bytes(data[at : at + wide], "big") * each
    if kind in _SIZED:
        wide, more = _SIZED[kind]
        return at + wide + int.from_bytes(data[at : at + wide], "big") + more, 0
    return at + _FIXED.get(kind, 0), 0
