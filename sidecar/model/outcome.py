"""The outcome of a change: the record used by metrics, logs, the API and the history."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

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
    """One change, from the firing of its rule to its end."""

    rule: str
    type: str
    action: str
    knob: Annotated[str | None, Meta(description="What was changed; null for a one-shot.")]
    from_: Annotated[
        Value | None, Meta(description="The value before; without meaning where `knob` is null.")
    ] = msgspec.field(default=None, name="from")
    to: Annotated[
        Value | None, Meta(description="The new value; without meaning where `knob` is null.")
    ] = None
    outcome: Annotated[
        Verdict,
        Meta(
            description="improved: better by what was expected and by more than the noise; kept. "
            "regressed: as much worse, or its guard broke; undone. neutral: neither; undone. "
            "applied: nothing was promised; it stays while the condition holds. failed: it could "
            "not be made; undone. interrupted: something else ended it; undone. dry_run: recorded, "
            "not made."
        ),
    ]
    signal: Annotated[
        str | None,
        Meta(description="The signal that was expected to improve; null where nothing was."),
    ] = None
    before: Annotated[
        float | None,
        Meta(description="The signal over the window before, in its unit; null if not measured."),
    ] = None
    after: Annotated[float | None, Meta(description="The same over the window after.")] = None
    noise: Annotated[
        float | None,
        Meta(
            description="How far the signal moves between two windows without a change, "
            "in its unit."
        ),
    ] = None
    effect_ratio: Annotated[
        float | None,
        Meta(
            description="The difference as a share of before, positive where it is better; null "
            "where nothing was compared, or before was 0."
        ),
    ] = None
    reason: Annotated[str, Meta(description="Why it ended so, as a sentence.")]
    started_at: Annotated[
        float, Meta(description="When the change was made, in seconds since 1970.")
    ]
    ended_at: Annotated[float, Meta(description="When it was judged, in seconds since 1970.")]
