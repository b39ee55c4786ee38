"""The output of the engine: its decisions, the state of its rules, and the state to persist."""

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
    """One decision, with its figures. The caller makes the `one_shot` change."""

    event: Event
    rule: Rule
    fields: Mapping[str, object] = field(default_factory=dict)
    one_shot: OneShot | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The result of evaluating a rule now, without effect: its standing, the values in its
    condition, and the change that it would make, or the reason why it would make none.

    `would_fire`: whether an evaluation now would make the change.
    """

    rule: Rule
    standing: Standing
    sight: Sight
    would_do: Ready | str
    would_fire: bool


class SavedState(msgspec.Struct):
    """The state of an engine that must survive a restart."""

    kept: dict[str, KeptTurn] = {}
    outcomes: list[Outcome] = []
    cooldowns: dict[str, Cooldown] = {}
    learned: dict[str, Learned] = {}
