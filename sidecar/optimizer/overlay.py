"""What the optimizer has turned, over what was configured.

Three layers: what experiments have proven stays (`kept`), what measures hold for as long as their
condition does (`held`), and the one change that is on trial. Above each other, in this order, they
give what is in force.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from sidecar.config.knobs import KNOBS, Effective, turned
from sidecar.model.change import Turn, Value


class Kept(msgspec.Struct, frozen=True):
    """A knob's proven value, and what was configured when it was proven."""

    value: Value
    configured: Value


@dataclass(frozen=True, slots=True)
class Held:
    """A turn that a measure holds."""

    rule: str
    turn: Turn


class Overlay:
    """The three layers over a configuration."""

    def __init__(self, configured: Effective) -> None:
        self.configured = configured
        self.kept: dict[str, Kept] = {}
        self.held: list[Held] = []
        self.trial: Turn | None = None

    @property
    def effective(self) -> Effective:
        """What is in force."""
        effective = self.configured
        for knob, kept in self.kept.items():
            effective = turned(effective, Turn(knob, kept.value))
        for held in self.held:
            effective = turned(effective, held.turn)
        return effective if self.trial is None else turned(effective, self.trial)

    def keep(self, turn: Turn) -> None:
        """A proven turn stays."""
        self.kept[turn.knob] = Kept(turn.to, KNOBS[turn.knob].read(self.configured))

    def restore(self, kept: Mapping[str, Kept]) -> None:
        """Take over what an earlier process has proven, where the configuration is the same."""
        for knob, was in kept.items():
            if knob in KNOBS and KNOBS[knob].read(self.configured) == was.configured:
                self.kept[knob] = was

    def holder(self, knob: str) -> str | None:
        """The measure that holds a knob."""
        return next((held.rule for held in self.held if held.turn.knob == knob), None)

    def release(self, rule: str) -> Turn | None:
        """Let go of a measure's last turn; None where it holds none."""
        for at in range(len(self.held) - 1, -1, -1):
            if self.held[at].rule == rule:
                return self.held.pop(at).turn
        return None

    def drop(self, acting: Collection[str]) -> bool:
        """Let go of all that is held by rules that don't act any more; whether there was any."""
        held = [held for held in self.held if held.rule in acting]
        dropped = len(held) < len(self.held)
        self.held = held
        return dropped

    def configure(self, configured: Effective) -> set[str]:
        """Another configuration; the knobs whose own value it changes, which are its own again."""
        old, self.configured = self.configured, configured
        changed = {knob.name for knob in KNOBS.values() if knob.read(old) != knob.read(configured)}
        for knob in changed & self.kept.keys():
            del self.kept[knob]
        self.held = [held for held in self.held if held.turn.knob not in changed]
        return changed

    def reset(self) -> None:
        """Only what was configured is in force."""
        self.kept.clear()
        self.held.clear()
        self.trial = None
