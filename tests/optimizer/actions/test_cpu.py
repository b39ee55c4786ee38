"""set_compression and pace_background."""

from __future__ import annotations

import pytest

from sidecar.model.change import Turn
from sidecar.testing.situations import DEFAULTS, situation, standing, without
from tests.optimizer.actions.acting import propose, reason, turned_to


def test_compression_is_switched_as_stated() -> None:
    """zstd is the default, so setting it is declined."""
    assert propose("set_compression", situation(), to="none") == Turn(
        "tiers.l2.compression", "none"
    )
    assert reason(propose("set_compression", situation(), to="zstd")) == (
        "tiers.l2.compression is already zstd."
    )


def test_there_is_no_compression_without_l2() -> None:
    """Only L2 has compression."""
    assert reason(propose("set_compression", situation(without("l2")), to="none")) == (
        "L2 is disabled."
    )


@pytest.mark.parametrize(
    ("pace", "step", "slower"),
    [(1.0, 0.5, 0.5), (1.0, 0.1, 0.9), (0.5, 0.5, 0.25), (0.12, 0.5, 0.1)],
)
def test_the_background_slows_down_to_its_floor(pace: float, step: float, slower: float) -> None:
    """The pace falls by at most half, down to a tenth of the usual speed."""
    moment = situation(standing({"background.pace": pace}), configured=DEFAULTS, step=step)
    assert turned_to(propose("pace_background", moment)) == slower


def test_the_background_never_stops() -> None:
    """At the floor, the action declines."""
    moment = situation(standing({"background.pace": 0.1}), configured=DEFAULTS)
    assert reason(propose("pace_background", moment)) == (
        "Background work is at its floor of 10% of its usual speed."
    )
