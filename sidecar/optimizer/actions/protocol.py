"""The interface of an action."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from sidecar.config.section import Section
from sidecar.model.change import Change, Declined
from sidecar.optimizer.situation import Situation


class Action(Protocol):
    """A kind of change that rules can make. An action only proposes changes; it makes none itself.

    `Options` are the keys that a rule may set below `with`. They are checked when the document is
    loaded, and the docstring below a field is its documentation.

    A turn stays within the action's floor and ceiling, which do not depend on the level. One step
    of a number is at most the rule's `by`, and at most `situation.step`. An option that states the
    value of the knob (`to`) applies at every level as it is.
    """

    name: ClassVar[str]
    rule_type: ClassVar[str]

    @property
    def Options(self) -> type[Section]:  # noqa: N802  (a class, written inside the action's)
        ...

    def propose(self, situation: Situation, options: Any) -> Change | Declined:
        """The change, or why there is none now. Pure: no I/O, no clock."""
        ...
