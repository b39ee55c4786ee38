"""Runs an action of the catalogue with options as written in a rule."""

from __future__ import annotations

from sidecar.catalogue import CATALOGUE
from sidecar.model.change import Change, Declined, Value
from sidecar.optimizer.situation import Situation


def propose(action: str, moment: Situation, **written: object) -> Change | Declined:
    """The proposal of an action for these options, as written in a rule."""
    options = CATALOGUE.actions[action].Options.model_validate(
        written, context=CATALOGUE.vocabulary
    )
    return CATALOGUE.actions[action].propose(moment, options)


def turned_to(answer: Change | Declined) -> Value:
    """The value to which a proposal turns its knob."""
    assert hasattr(answer, "to"), answer
    value: Value = answer.to
    return value


def reason(answer: Change | Declined) -> str:
    """The reason why an action proposes no change."""
    assert isinstance(answer, Declined), answer
    return answer.reason
