"""collect, set_gc_thresholds and freeze."""

from __future__ import annotations

import pytest

from sidecar.model.change import OneShot, Turn
from sidecar.testing.situations import DEFAULTS, situation, standing
from tests.optimizer.actions.acting import propose, reason, turned_to


def test_garbage_is_collected_whenever_a_rule_asks() -> None:
    """The change is a one-shot, so its effect is measured afterwards."""
    assert propose("collect", situation()) == OneShot("collect")


@pytest.mark.parametrize(
    ("stands", "step", "higher"), [(20_000, 0.5, 30_000), (20_000, 0.05, 21_000)]
)
def test_the_threshold_rises_by_the_share(stands: int, step: float, higher: int) -> None:
    """The threshold rises by at most half."""
    moment = situation(standing({"gc.threshold": stands}), configured=DEFAULTS, step=step)
    assert propose("set_gc_thresholds", moment) == Turn("gc.threshold", higher)


def test_the_threshold_has_a_ceiling() -> None:
    """The ceiling is ten times the usual 20,000: above it, garbage costs more than the pauses."""
    moment = situation(standing({"gc.threshold": 190_000}), configured=DEFAULTS)
    assert turned_to(propose("set_gc_thresholds", moment)) == 200_000
    moment = situation(standing({"gc.threshold": 200_000}), configured=DEFAULTS)
    assert reason(propose("set_gc_thresholds", moment)) == (
        "gc.threshold is at its ceiling of 1000% of its usual value."
    )


def test_objects_are_frozen_a_few_times() -> None:
    """The number is limited, since garbage among frozen objects stays until they are unfrozen."""
    assert propose("freeze", situation()) == Turn("gc.frozen", 1)
    moment = situation(standing({"gc.frozen": 8}), configured=DEFAULTS)
    assert reason(propose("freeze", moment)) == "Objects have already been frozen 8 times."
