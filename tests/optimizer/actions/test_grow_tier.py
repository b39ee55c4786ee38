"""grow_tier: which limit it raises, and how much room it assumes."""

from __future__ import annotations

import pytest

from sidecar.config.values import GIB, MIB
from sidecar.model.change import Size, Turn
from sidecar.optimizer.situation import Situation
from sidecar.testing.situations import DEFAULTS, situation, standing, without
from tests.optimizer.actions.acting import propose, reason, turned_to

FULL_L2 = {"l2": (1000, 100 * MIB)}


def limited(limit: float, available: float, **held: tuple[int, int]) -> Situation:
    """The defaults in a container with a memory limit, in MiB."""
    signals = {"memory.limit_bytes": limit * MIB, "memory.available_bytes": available * MIB}
    return situation(held=held, signals=signals)


@pytest.mark.parametrize(
    ("held", "grown"),
    [
        ((1000, 20 * MIB), Size(1250, 100 * MIB)),
        ((300, 95 * MIB), Size(1000, 125 * MIB)),
        ((990, 99 * MIB), Size(1250, 125 * MIB)),
    ],
)
def test_that_limit_grows_by_which_the_tier_is_full(held: tuple[int, int], grown: Size) -> None:
    """Entries, bytes or both: a limit that the tier has not reached is unchanged."""
    answer = propose("grow_tier", situation(held={"l2": held}), tier="l2")
    assert answer == Turn("tiers.l2.size", grown)


def test_a_tier_that_is_not_full_stays() -> None:
    """A tier with free room does not benefit from a higher limit."""
    moment = situation(held={"l2": (800, 80 * MIB)})
    assert reason(propose("grow_tier", moment, tier="l2")) == "L2 is not full."


@pytest.mark.parametrize(("step", "entries"), [(0.05, 1050), (0.1, 1100), (0.5, 1250)])
def test_the_level_holds_a_step_back(step: float, entries: int) -> None:
    """The step is the smaller of the rule's share and the level's."""
    moment = situation(held={"l2": (1000, MIB)}, step=step)
    assert turned_to(propose("grow_tier", moment, tier="l2")) == Size(entries, 100 * MIB)


def test_the_ceiling_is_a_multiple_of_what_is_configured() -> None:
    """The ceiling is four times the size by default, also without a memory limit."""
    stands = standing({"tiers.l2.size": Size(3900, 100 * MIB)})
    moment = situation(stands, configured=DEFAULTS, held={"l2": (3900, 50 * MIB)})
    assert turned_to(propose("grow_tier", moment, tier="l2")) == Size(4000, 100 * MIB)
    assert reason(propose("grow_tier", moment, tier="l2", at_most="390%")) == (
        "L2 is at its ceiling of 390% of the configured size."
    )


def test_it_grows_into_what_the_container_has_left() -> None:
    """Of 80 MiB, 20 are in reserve and L1 will fill 10; a counted byte takes 1.15 resident bytes.

    So there are 42 MiB: enough for a step of 25, but only for 42 of a step of 50.
    """
    moment = limited(200, 80, **FULL_L2)
    assert turned_to(propose("grow_tier", moment, tier="l2")) == Size(1250, 125 * MIB)
    size = turned_to(propose("grow_tier", moment, tier="l2", by="50%"))
    assert isinstance(size, Size)
    assert size.max_entries == 1421
    assert size.max_bytes == pytest.approx(142.17 * MIB, rel=1e-3)


def test_a_rule_may_go_by_small_steps() -> None:
    """A step of 1 % is valid: the smallest useful step is relative to the step of the rule."""
    answer = propose("grow_tier", situation(held=FULL_L2), tier="l2", by="1%")
    assert turned_to(answer) == Size(1010, 101 * MIB)


@pytest.mark.parametrize("available", [0, 20, 30, 33])
def test_it_does_not_grow_where_there_is_no_room(available: float) -> None:
    """The reserve, and memory that will be used anyway, are not room; nor is a tenth of a step."""
    assert reason(propose("grow_tier", limited(200, available, **FULL_L2), tier="l2")) == (
        "There is no room in the container's memory for a larger L2."
    )


def test_entries_are_taken_to_stay_as_large_as_they_are() -> None:
    """A thousand entries of 1 KiB do not fill 100 MiB: a small container has room for 250 more."""
    moment = limited(128, 30, l1=(100, MIB // 10), l2=(1000, MIB))
    assert turned_to(propose("grow_tier", moment, tier="l2")) == Size(1250, 100 * MIB)


def test_with_a_limit_and_no_knowledge_of_its_use_nothing_grows() -> None:
    """Without that value, growth could get the container killed."""
    moment = situation(held=FULL_L2, signals={"memory.limit_bytes": 200.0 * MIB})
    assert reason(propose("grow_tier", moment, tier="l2")) == (
        "memory.available_bytes is unavailable, although there is a limit."
    )


@pytest.mark.parametrize(("free", "max_bytes"), [(2.0, 1.25), (1.0, 1.21875), (0.2, None)])
def test_l3_grows_into_half_of_what_is_free(free: float, max_bytes: float | None) -> None:
    """A live byte may take two, plus 64 MiB in total; the folder already takes 2 GiB of that."""
    moment = situation(
        held={"l3": (5000, GIB)},
        signals={"io.disk_free_bytes": free * GIB},
        l3_folder_bytes=2 * GIB,
    )
    answer = propose("grow_tier", moment, tier="l3")
    if max_bytes is None:
        assert "no room" in reason(answer)
    else:
        assert turned_to(answer) == Size(10_000, int(max_bytes * GIB))


def test_l3_needs_to_know_what_is_free() -> None:
    """A full volume leads to the eviction of the whole pod."""
    moment = situation(held={"l3": (10_000, GIB)})
    assert reason(propose("grow_tier", moment, tier="l3")) == "io.disk_free_bytes is unavailable."


@pytest.mark.parametrize("tier", ["l1", "l2", "l3"])
def test_a_tier_that_is_off_is_let_be(tier: str) -> None:
    """A disabled tier holds nothing."""
    assert reason(propose("grow_tier", situation(without(tier)), tier=tier)) == (
        f"{tier.upper()} is disabled."
    )
