"""Asks an action of the catalogue, with options as a rule has them."""

from __future__ import annotations

from sidecar.catalogue import CATALOGUE
from sidecar.model.change import Change, Declined, Value
from sidecar.optimizer.situation import Situation


def propose(action: str, moment: Situation, **written: object) -> Change | Declined:
    """What the action answers to options that are written like this."""
    options = CATALOGUE.actions[action].Options.model_validate(
        written, context=CATALOGUE.vocabulary
    )
    return CATALOGUE.actions[action].propose(moment, options)


def turned_to(answer: Change | Declined) -> Value:
    """What a turn turns its knob to."""
    assert hasattr(answer, "to"), answer
    value: Value = answer.to
    return value


def reason(answer: Change | Declined) -> str:
    """Why there is nothing to change."""
    assert isinstance(answer, Declined), answer
    return answer.reason
