"""Range requests (RFC 9110, section 14): a part of a value, for clients that go on with a download.

One range of bytes is answered. Where there are several, or the field is none of these, it is
ignored, as it may be, and the whole value is sent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sidecar.http.fields import IF_RANGE, list_field
from sidecar.http.problems import ProblemError

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

_RANGE = re.compile(r"bytes=[ \t,]*(?:([0-9]+)-([0-9]*)|-([0-9]+))[ \t,]*", re.IGNORECASE)
_MOST_DIGITS = 17
"""Python is slow with thousands of digits; no value is as long as a number of so many tells."""


class Part(NamedTuple):
    """The bytes from `first` to `last`, which belongs to it."""

    first: int
    last: int

    def lines(self, size: int) -> str:
        """The header fields of an answer with this part of a value of `size` bytes."""
        return f"Content-Range: bytes {self.first}-{self.last}/{size}\r\nAccept-Ranges: bytes\r\n"


def part_of(headers: CIMultiDictProxy[str], tag: str, size: int) -> Part | None:
    """The part that is asked for, of a version with the ETag `tag` and `size` bytes; None for all
    of it. Raises ProblemError: 416 for a range that begins behind the end.
    """
    if IF_RANGE in headers and headers[IF_RANGE].strip() != tag:
        return None  # what the client has is of another version; a date is of none
    found = _RANGE.fullmatch(list_field(headers, "Range") or "")
    if found is None:
        return None
    first, last, suffix = (_number(digits) for digits in found.groups())
    if first is None:
        assert suffix is not None  # noqa: S101  (one or the other matches)
        first, last = (max(0, size - suffix), size - 1) if suffix else (size, None)
    elif last is not None and last < first:
        return None  # it is not valid
    if first >= size:
        raise ProblemError(
            416,
            f"The range begins behind the end of the value, which has {size:,} bytes.",
            headers=f"Content-Range: bytes */{size}\r\n",
        )
    return Part(first, size - 1 if last is None else min(last, size - 1))


def _number(digits: str | None) -> int | None:
    return int(digits[:_MOST_DIGITS]) if digits else None
