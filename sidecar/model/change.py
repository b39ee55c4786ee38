"""The changes that actions propose: the types shared by the optimizer and the control loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta


class Size(msgspec.Struct, frozen=True):
    """The two limits of a tier, which change together."""

    max_entries: Annotated[int, Meta(ge=0)]
    max_bytes: Annotated[int, Meta(ge=0)]


Value = bool | int | float | str | Size
"""The value of a knob."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A knob (a name of `config.knobs`) and its new value; undone by restoring the old one."""

    knob: str
    to: Value


@dataclass(frozen=True, slots=True)
class OneShot:
    """A change that is made once and cannot be undone; its name is in the catalogue."""

    name: str


Change = Turn | OneShot


@dataclass(frozen=True, slots=True)
class Declined:
    """The reason why an action proposes no change now, as a sentence."""

    reason: str
