"""What an action wants done, and what came of it: the words between optimizer and control loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta


class Size(msgspec.Struct, frozen=True):
    """A tier's two limits, turned together."""

    max_entries: Annotated[int, Meta(ge=0)]
    max_bytes: Annotated[int, Meta(ge=0)]


Value = bool | int | float | str | Size
"""What a knob stands at."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A knob (a name of `config.knobs`) and what it is to stand at; turned back to undo it."""

    knob: str
    to: Value


@dataclass(frozen=True, slots=True)
class OneShot:
    """Something done once, which has no way back: one of the catalogue."""

    name: str


Change = Turn | OneShot


@dataclass(frozen=True, slots=True)
class Declined:
    """Why an action has nothing to change now, as a sentence."""

    reason: str
