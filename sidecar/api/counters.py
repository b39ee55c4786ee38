"""Counters: entries whose value is an integer of 64 bits in decimal digits, as Redis counts."""

from __future__ import annotations

from msgspec import Struct

from sidecar.api.errors import ConflictError, InvalidRequestError
from sidecar.api.integers import integer_or_none
from sidecar.model.entry import Entry

CONTENT_TYPE = "text/plain"
"""Of a counter that is created."""


class Step(Struct, frozen=True):
    """What is added to a counter, and what it may not leave."""

    by: int
    initial: int
    """What one that is not there begins with."""
    least: int
    most: int

    def from_(self, entry: Entry | None) -> int:
        """The next number of a counter. Raises ConflictError."""
        number = self.initial if entry is None else _number_of(entry)
        if not self.least <= number + self.by <= self.most:
            raise ConflictError(
                f"The counter is {number}: with {self.by} more it would leave the range from "
                f"{self.least} to {self.most}. Nothing was changed."
            )
        return number + self.by

    def check(self) -> None:
        """Raises InvalidRequestError."""
        if self.least > self.most:
            raise InvalidRequestError("min is more than max, so there is no number between them.")


def _number_of(entry: Entry) -> int:
    """Raises ConflictError."""
    value = entry.value
    number = integer_or_none(value) if isinstance(value, bytes) else None  # none is compressed
    if number is None:
        raise ConflictError(
            "The value is no integer of 64 bits in decimal digits, so nothing can be added to it; "
            "nothing was changed. PUT a number, or take another key."
        )
    return number
