"""collect, set_gc_thresholds and freeze."""

from __future__ import annotations

import pytest

from sidecar.model.change import OneShot, Turn
from sidecar.testing.situations import DEFAULTS, situation, standing
from tests.optimizer.actions.acting import propose, reason, turned_to


def test_garbage_is_collected_whenever_a_rule_asks() -> None:
    """A one-shot change: what comes of it is measured, not foretold."""
    assert propose("collect", situation()) == OneShot("collect")


@pytest.mark.parametrize(
    ("stands", "step", "higher"), [(20_000, 0.5, 30_000), (20_000, 0.05, 21_000)]
)
def test_the_threshold_rises_by_the_share(stands: int, step: float, higher: int) -> None:
    """By half at most."""
    moment = situation(standing({"gc.threshold": stands}), configured=DEFAULTS, step=step)
    assert propose("set_gc_thresholds", moment) == Turn("gc.threshold", higher)


def test_the_threshold_has_a_ceiling() -> None:
    """Ten times the usual 20,000: beyond it garbage would take more than the pauses did."""
    moment = situation(standing({"gc.threshold": 190_000}), configured=DEFAULTS)
    assert turned_to(propose("set_gc_thresholds", moment)) == 200_000
    moment = situation(standing({"gc.threshold": 200_000}), configured=DEFAULTS)
    assert reason(propose("set_gc_thresholds", moment)) == (
        "gc.threshold is at its ceiling of 1000% of its usual value."
    )


def test_objects_are_frozen_a_few_times() -> None:
    """Not for ever: garbage among them stays until they are thawed."""
    assert propose("freeze", situation()) == Turn("gc.frozen", 1)
    moment = situation(standing({"gc.frozen": 8}), configured=DEFAULTS)
    assert reason(propose("freeze", moment)) == "Objects have already been frozen 8 times."
