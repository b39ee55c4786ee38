"""What an action is."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from sidecar.config.schema import Section
from sidecar.config.values import RuleType
from sidecar.model.change import Change, Declined
from sidecar.optimizer.situation import Situation


class Action(Protocol):
    """One way to act. It looks and says what should be done; others do it, and undo it.

    `Options` is what a rule may write below `with`; each is checked when the document is loaded.
    A turn stays within the action's own floor and ceiling, and no further from where the knob
    stands than `situation.step`, where the knob is a number.
    """

    name: ClassVar[str]
    rule_type: ClassVar[RuleType]
    Options: ClassVar[type[Section]]

    def propose(self, situation: Situation, options: Any) -> Change | Declined:
        """The change, or why there is none now. Pure: no I/O, no clock."""
        ...
