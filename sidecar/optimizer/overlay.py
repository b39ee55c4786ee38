"""The optimizer's changes, as layers over the configuration.

There are three layers: changes kept after experiments (`kept`), changes that measures hold while
their condition is true (`held`), and the change on trial. Applied in this order, they give the
values in force.
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
    """A kept value of a knob, and its configured value at that time."""

    value: Value
    configured: Value


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A turn that a measure holds, and its effect on the condition."""

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
        """The values in force."""
        turns = [Turn(knob, kept.value) for knob, kept in self.kept.items()]
        turns += [held.turn for held in self.held]
        if self.trial is not None:
            turns.append(self.trial)
        return reduce(partial(turned, self.knobs), turns, self.configured)

    def keep(self, turn: Turn) -> None:
        """Keep a turn after a successful experiment."""
        self.kept[turn.knob] = KeptTurn(turn.to, self.knobs[turn.knob].read(self.configured))

    def restore(self, kept: Mapping[str, KeptTurn]) -> None:
        """Restore the turns that an earlier process kept, where the configuration is the same."""
        for knob, was in kept.items():
            if knob in self.knobs and self.knobs[knob].read(self.configured) == was.configured:
                self.kept[knob] = was

    def holder(self, knob: str) -> str | None:
        """The measure that holds a knob."""
        return next((held.rule.name for held in self.held if held.turn.knob == knob), None)

    def held_by(self, rule: str) -> list[Held]:
        """A measure's turns, the last one last."""
        return [held for held in self.held if held.rule.name == rule]

    def take_back(self, turn: Turn) -> None:
        """Undo a turn that is on trial or held."""
        if self.trial is turn:
            self.trial = None
        self.held = [held for held in self.held if held.turn is not turn]

    def release_where(self, goes: Callable[[Held], bool]) -> list[Held]:
        """Release the held turns for which `goes` is true, the last one first."""
        gone = [held for held in reversed(self.held) if goes(held)]
        self.held = [held for held in self.held if held not in gone]
        return gone

    def configure(self, configured: Effective) -> set[str]:
        """Use another configuration; returns the knobs that it changes, and drops kept values of
        these.
        """
        old, self.configured = self.configured, configured
        knobs = self.knobs.values()
        changed = {knob.name for knob in knobs if knob.read(old) != knob.read(configured)}
        for knob in changed & self.kept.keys():
            del self.kept[knob]
        return changed
