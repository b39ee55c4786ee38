"""What a run has done, and how it ended: plain values that its reports are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

MOST_ERRORS = 20
Cause = Literal["start", "schedule", "request"]
State = Literal["idle", "waiting", "running"]
Result = Literal["succeeded", "failed", "cancelled", "timed_out"]
RESULTS: tuple[Result, ...] = ("succeeded", "failed", "cancelled", "timed_out")
ENTRY_RESULTS = ("loaded", "skipped", "failed")


@dataclass(slots=True)
class Figures:
    """One run, in progress or ended. Times are seconds since 1970."""

    cause: Cause
    began_at: float
    ended_at: float | None = None
    result: Result | None = None
    reason: str | None = None
    """Why it failed, in a sentence."""
    loaded: int = 0
    skipped: int = 0
    """Entries left alone, since something newer is known of their keys."""
    failed: int = 0
    read_bytes: int = 0
    total_bytes: int | None = None
    errors: list[tuple[int, str]] = field(default_factory=list)
    """The first of those that failed: the line, or the number of the entry in MessagePack."""

    def fail(self, number: int, why: str) -> None:
        self.failed += 1
        if len(self.errors) < MOST_ERRORS:
            self.errors.append((number, why))
