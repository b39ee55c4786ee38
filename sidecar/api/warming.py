"""What /v1/warmers answers, as shapes; docstrings are in /openapi.json."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class BrokenEntry(Struct):
    """An entry of the source that was not loaded."""

    line: Annotated[int, Meta(description="From 1; in MessagePack, the number of the entry.")]
    error: str


class WarmerRun(Struct, kw_only=True):
    """A run of a warmer. Times are seconds since 1970."""

    cause: Literal["start", "schedule", "request"]
    began_at: float
    ended_at: float | None
    result: Annotated[
        Literal["succeeded", "failed", "cancelled", "timed_out"] | None,
        Meta(description="null: it has not ended."),
    ]
    reason: Annotated[str | None, Meta(description="Why it did not succeed.")]
    loaded: int
    skipped: Annotated[
        int, Meta(description="Entries whose keys were written or deleted since the run began.")
    ]
    failed: Annotated[int, Meta(description="Entries that are not valid.")]
    read_bytes: int
    total_bytes: Annotated[
        int | None, Meta(description="null: not known, as for a compressed file.")
    ]
    errors: Annotated[
        list[BrokenEntry], Meta(description="The first 20 of the entries that failed.")
    ]


class WarmerState(Struct, kw_only=True):
    """A warmer, its plan, and its runs."""

    name: str
    namespace: str | None
    source: Annotated[str, Meta(description="Its kind, such as `url`.")]
    state: Annotated[
        Literal["idle", "waiting", "running"],
        Meta(description="`waiting`: other warmers run first."),
    ]
    on_start: bool
    schedule: str | None
    next_run_at: Annotated[
        float | None, Meta(description="When its schedule is due, in seconds since 1970.")
    ]
    run: Annotated[WarmerRun | None, Meta(description="The run that has not ended.")]
    last_run: WarmerRun | None


class WarmerStates(Struct):
    """The warmers of the document in force, in its order."""

    warmers: list[WarmerState]
