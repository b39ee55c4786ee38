"""shrink_tier and release_memory."""

from __future__ import annotations

import pytest

from sidecar.config.values import KIB, MIB
from sidecar.model.change import OneShot, Size, Turn
from sidecar.testing.situations import DEFAULTS, situation, standing, without
from tests.optimizer.actions.acting import propose, reason, turned_to

FULL_L2 = {"l2": (1000, 100 * MIB)}


def test_a_full_tier_loses_the_share_of_its_limits() -> None:
    """The limits fall by 20 % of 1000 entries and of 100 MiB."""
    answer = propose("shrink_tier", situation(held=FULL_L2), tier="l2", by="20%")
    assert answer == Turn("tiers.l2.size", Size(800, 80 * MIB))


@pytest.mark.parametrize(("step", "entries"), [(0.05, 950), (0.1, 900), (0.25, 800), (0.5, 800)])
def test_the_level_holds_a_step_back(step: float, entries: int) -> None:
    """The step is the smaller of the rule's share and the level's."""
    answer = propose("shrink_tier", situation(held=FULL_L2, step=step), tier="l2", by="20%")
    assert turned_to(answer) == Size(entries, entries * 100 * MIB // 1000)


def test_a_half_empty_tier_is_shrunk_from_what_it_holds() -> None:
    """The limit falls from 500 entries; from the limit of 1000, nothing would be freed."""
    answer = propose("shrink_tier", situation(held={"l2": (500, 40 * MIB)}), tier="l2", by="20%")
    assert turned_to(answer) == Size(400, 32 * MIB)


def test_the_floor_is_a_share_of_what_is_configured() -> None:
    """The floor is 10 % of 1000 entries and of 100 MiB, however often the tier was shrunk."""
    moment = situation(
        standing({"tiers.l2.size": Size(120, 11 * MIB)}),
        configured=DEFAULTS,
        held={"l2": (120, 11 * MIB)},
    )
    answer = propose("shrink_tier", moment, tier="l2", by="50%")
    assert turned_to(answer) == Size(100, 10 * MIB)


def test_at_its_floor_a_tier_stays_as_it_is() -> None:
    """The action declines with a reason, also if the tier holds less than the floor."""
    for held in ((100, 10 * MIB), (50, MIB), (0, 0)):
        moment = situation(
            standing({"tiers.l2.size": Size(100, 10 * MIB)}),
            configured=DEFAULTS,
            held={"l2": held},
        )
        assert reason(propose("shrink_tier", moment, tier="l2")) == (
            "L2 is at its floor of 10% of the configured size, or holds no more."
        )


def test_something_is_left_of_the_smallest_tier() -> None:
    """One entry and 64 KiB remain, whatever the share."""
    moment = situation(standing({"tiers.l1.size": Size(2, 100 * KIB)}), held={"l1": (2, 100 * KIB)})
    answer = propose("shrink_tier", moment, tier="l1", by="100%", at_least="1%")
    assert turned_to(answer) == Size(1, 64 * KIB)


def test_a_tier_that_is_off_is_let_be() -> None:
    """A disabled tier holds nothing."""
    assert reason(propose("shrink_tier", situation(without("l2")), tier="l2")) == (
        "L2 is disabled."
    )


def test_memory_is_released_whenever_a_rule_asks() -> None:
    """The change is a one-shot, so its effect is measured afterwards."""
    assert propose("release_memory", situation()) == OneShot("release_memory")
