"""What the optimizer has turned, over what was configured.

Three layers: what experiments have proven stays (`kept`), what measures hold for as long as their
condition does (`held`), and the one change that is on trial. Above each other, in this order, they
give what is in force.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce

import msgspec

from sidecar.config.knobs import Effective, Knobs, turned
from sidecar.model.change import Turn, Value
from sidecar.optimizer.relief import Relief
from sidecar.optimizer.rules import Rule


class KeptTurn(msgspec.Struct, frozen=True):
    """A knob's proven value, and what was configured when it was proven."""

    value: Value
    configured: Value


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A turn that a measure holds, and what that has done for its condition."""

    rule: Rule
    turn: Turn
    relief: Relief


class Overlay:
    """The three layers over a configuration."""

    def __init__(self, configured: Effective, knobs: Knobs) -> None:
        self.configured = configured
        self.knobs = knobs
        self.kept: dict[str, KeptTurn] = {}
        self.held: list[Held] = []
        self.trial: Turn | None = None

    @property
    def effective(self) -> Effective:
        """What is in force."""
        turns = [Turn(knob, kept.value) for knob, kept in self.kept.items()]
        turns += [held.turn for held in self.held]
        if self.trial is not None:
            turns.append(self.trial)
        return reduce(partial(turned, self.knobs), turns, self.configured)

    def keep(self, turn: Turn) -> None:
        """A proven turn stays."""
        self.kept[turn.knob] = KeptTurn(turn.to, self.knobs[turn.knob].read(self.configured))

    def restore(self, kept: Mapping[str, KeptTurn]) -> None:
        """Take over what an earlier process has proven, where the configuration is the same.

        That process may have been of another version: what is not of the knob's kind is left out.
        """
        for knob, was in kept.items():
            if knob not in self.knobs or self.knobs[knob].read(self.configured) != was.configured:
                continue
            if _kind(was.value) is _kind(was.configured):
                self.kept[knob] = was

    def holder(self, knob: str) -> str | None:
        """The measure that holds a knob."""
        return next((held.rule.name for held in self.held if held.turn.knob == knob), None)

    def held_by(self, rule: str) -> list[Held]:
        """A measure's turns, the last one last."""
        return [held for held in self.held if held.rule.name == rule]

    def take_back(self, turn: Turn) -> None:
        """This turn, on trial or held, is in force no more."""
        if self.trial is turn:
            self.trial = None
        self.held = [held for held in self.held if held.turn is not turn]

    def release_where(self, goes: Callable[[Held], bool]) -> list[Held]:
        """Release the held turns that this is true of, the last one first."""
        gone = [held for held in reversed(self.held) if goes(held)]
        self.held = [held for held in self.held if held not in gone]
        return gone

    def configure(self, configured: Effective) -> set[str]:
        """Another configuration; the knobs whose own value it changes. Nothing is kept of those."""
        old, self.configured = self.configured, configured
        knobs = self.knobs.values()
        changed = {knob.name for knob in knobs if knob.read(old) != knob.read(configured)}
        for knob in changed & self.kept.keys():
            del self.kept[knob]
        return changed


def _kind(value: Value) -> type:
    """Size, text or number: whole numbers and others are not told apart once written down."""
    return float if isinstance(value, int | float) else type(value)
