"""What came of a change: the record that metrics, logs, the API and the history share."""

from __future__ import annotations

from typing import Literal

import msgspec

from sidecar.model.change import Value

Verdict = Literal["improved", "regressed", "neutral", "applied", "failed", "interrupted", "dry_run"]
VERDICTS: tuple[Verdict, ...] = (
    "improved",
    "regressed",
    "neutral",
    "applied",
    "failed",
    "interrupted",
    "dry_run",
)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One change, from its rule's firing to its end.

    `before`, `after` and `noise` are in the unit of `signal`, the one that was to become better;
    None where there was none, or it was not measured. `effect_ratio` is the difference relative to
    before, positive where it is better. Times are wall clock seconds.
    """

    rule: str
    type: str
    action: str
    knob: str | None
    from_: Value | None = msgspec.field(default=None, name="from")
    to: Value | None = None
    outcome: Verdict
    signal: str | None = None
    before: float | None = None
    after: float | None = None
    noise: float | None = None
    effect_ratio: float | None = None
    reason: str
    started_at: float
    ended_at: float
