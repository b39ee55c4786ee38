"""limit_in_flight and set_keepalive."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sidecar.model.change import Turn
from sidecar.testing.situations import situation, standing
from tests.optimizer.actions.acting import propose, reason


def test_the_limit_in_flight_is_switched_as_stated() -> None:
    """The action declines once the value is in force."""
    assert propose("limit_in_flight", situation(), to="adaptive") == Turn(
        "network.in_flight", "adaptive"
    )
    assert reason(propose("limit_in_flight", situation(), to="unlimited")) == (
        "network.in_flight is already unlimited."
    )


@pytest.mark.parametrize("step", [0.05, 0.5])
def test_keepalive_is_as_stated_at_every_level(step: float) -> None:
    """It goes from 75 s to 15 s in one change, since the operator chose that value."""
    assert propose("set_keepalive", situation(step=step)) == Turn("network.keepalive_seconds", 15.0)


def test_keepalive_is_set_once() -> None:
    """The action declines once the value is in force."""
    moment = situation(standing({"network.keepalive_seconds": 30.0}))
    assert reason(propose("set_keepalive", moment, to="30s")) == (
        "network.keepalive_seconds is already 30.0."
    )


@pytest.mark.parametrize(("to", "why"), [("999ms", "too short"), ("76s", "too long")])
def test_keepalive_is_no_figure_that_would_not_be_in_force(to: str, why: str) -> None:
    """The server closes idle connections after 75 s, so a larger value would have no effect."""
    with pytest.raises(ValidationError, match=why):
        propose("set_keepalive", situation(), to=to)
