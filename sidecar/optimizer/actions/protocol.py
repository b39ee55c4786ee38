"""What an action is."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from sidecar.config.section import Section
from sidecar.model.change import Change, Declined
from sidecar.optimizer.situation import Situation


class Action(Protocol):
    """One way to act. It looks and says what should be done; others do it, and undo it.

    `Options` is what a rule may write below `with`; it is checked when the document is loaded, and
    the docstring below a field is its documentation.

    A turn stays within the action's own floor and ceiling, which no level moves. A number that is
    turned by steps goes no further in one than the rule's `by` and `situation.step`. A rule that
    states what the knob should be (`to`) is taken at its word.
    """

    name: ClassVar[str]
    rule_type: ClassVar[str]

    @property
    def Options(self) -> type[Section]:  # noqa: N802  (a class, written inside the action's)
        ...

    def propose(self, situation: Situation, options: Any) -> Change | Declined:
        """The change, or why there is none now. Pure: no I/O, no clock."""
        ...
