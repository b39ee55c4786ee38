"""What an engine says: what it decided, how its rules stand, and what must outlive it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from sidecar.model.change import OneShot
from sidecar.model.outcome import Outcome
from sidecar.optimizer.evaluation import Ready, Sight
from sidecar.optimizer.learning import Learned
from sidecar.optimizer.overlay import KeptTurn
from sidecar.optimizer.rules import Rule
from sidecar.optimizer.standing import Cooldown, Standing

Event = Literal["fired", "changed", "concluded", "rolled_back", "released"]


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing that was decided, with its figures. The caller makes the `one_shot` change."""

    event: Event
    rule: Rule
    fields: Mapping[str, object] = field(default_factory=dict)
    one_shot: OneShot | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a rule would stand after a look now, what it sees, and the change it would make, or why
    it would make none.

    `would_fire`: whether that look would make the change.
    """

    rule: Rule
    standing: Standing
    sight: Sight
    would_do: Ready | str
    would_fire: bool


class SavedState(msgspec.Struct):
    """What an engine knows that a restart must not lose."""

    kept: dict[str, KeptTurn] = {}
    outcomes: list[Outcome] = []
    cooldowns: dict[str, Cooldown] = {}
    learned: dict[str, Learned] = {}
