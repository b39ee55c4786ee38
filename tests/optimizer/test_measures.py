"""Measures: changes without an experiment, in force for as long as they are needed."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from sidecar.config.knobs import Effective
from sidecar.config.values import CacheConfig, GuardConfig, RuleConfig, TiersConfig
from sidecar.model.change import Size
from sidecar.optimizer.decisions import Decision
from tests.optimizer.virtual import SIGNAL, World, a_document, a_rule

MEMORY = "memory.utilization"
QUIET = {SIGNAL: 100.0, MEMORY: 0.5}


def a_cleanup(name: str = "memory_cleanup", **changes: Any) -> RuleConfig:
    """Shrinks L2 by a tenth, the largest step at the level."""
    values: dict[str, Any] = {
        "type": "memory",
        "when": f"{MEMORY} > 0.85",
        "action": "shrink_tier",
        "options": {"tier": "l2"},
        "expect": None,
        "cooldown_seconds": 300.0,
        "for_seconds": 60.0,
        "level": "conservative",
    }
    return a_rule(name, **{**values, **changes})


def l2_entries(effective: Effective) -> int:
    return effective.cache.tiers.l2.max_entries


def a_world(*rules: RuleConfig, used: float, **optimizer: Any) -> World:
    """A world whose memory use is `used` with the configured size of L2, and less with a smaller
    L2.
    """
    return World(
        a_document(*rules, **optimizer),
        lambda now, effective: {
            SIGNAL: 100.0,
            MEMORY: used - 0.3 + 0.3 * l2_entries(effective) / 1000,
        },
        step_seconds=5.0,
    )


def events(world: World, event: str) -> list[Decision]:
    return [decision for decision in world.decisions if decision.event == event]


def test_a_measure_acts_at_once_and_is_held() -> None:
    """It needs no pairs of windows; its outcome is `applied` once its change has settled."""
    world = a_world(a_cleanup(), used=0.95)
    world.run(60)
    assert not world.engine.trial
    world.run(20)
    (outcome,) = world.outcomes
    assert (outcome.outcome, outcome.before, outcome.noise) == ("applied", None, None)
    assert outcome.from_ == Size(1000, 100 << 20)
    assert outcome.to == Size(900, 90 << 20)
    assert l2_entries(world.engine.effective) == 900


def test_it_acts_again_after_its_cooldown_while_the_condition_holds() -> None:
    """It acts step by step, until enough memory is free."""
    world = a_world(a_cleanup(), used=0.95)
    world.until_outcomes(4)
    assert l2_entries(world.engine.effective) == 657  # 900, 810, 729: a tenth less each time
    starts = [outcome.started_at for outcome in world.outcomes]
    pauses = [later - one for one, later in pairwise(starts)]
    assert pauses == pytest.approx([310, 310, 310], abs=20)
    assert world.history.last(MEMORY, 5) == pytest.approx(0.95 - 0.3 * 0.343, abs=0.001)


def test_it_is_released_one_turn_at_a_time_once_its_condition_is_clear() -> None:
    """Each turn is undone after another cooldown, so that memory does not fill up at once."""
    world = a_world(a_cleanup(), used=0.95)
    world.until_outcomes(3)
    world.readings = lambda now, _: QUIET
    clear_since = world.now
    sizes = []
    for _ in range(3):
        while "released" not in [decision.event for decision in world.run(5)]:
            pass
        sizes.append((world.now - clear_since, l2_entries(world.engine.effective)))
    assert [size for _, size in sizes] == [810, 900, 1000]
    assert [when for when, _ in sizes] == pytest.approx([300, 600, 900], abs=35)
    assert world.engine.effective == world.engine.configured


def test_what_can_not_be_seen_is_not_clear() -> None:
    """Without a reading nothing is released, however long it takes; a low reading releases."""
    world = a_world(a_cleanup(), used=0.95)
    world.until_outcomes(1)
    world.readings = lambda now, _: {SIGNAL: 100.0}
    world.run(3600)
    assert l2_entries(world.engine.effective) == 900
    assert world.engine.standings["memory_cleanup"].state == "unavailable"
    world.readings = lambda now, _: QUIET
    world.run(400)
    assert l2_entries(world.engine.effective) == 1000


def test_a_measure_is_not_let_go_while_its_condition_would_come_back() -> None:
    """Memory use is low only because L2 is smaller."""
    world = a_world(a_cleanup(), used=0.87)  # 0.84 with the first turn
    world.until_outcomes(1)
    world.run(4 * 3600)
    assert not events(world, "released")
    assert world.engine.standings["memory_cleanup"].holds is False
    world.readings = a_world(a_cleanup(), used=0.83).readings  # 0.80 with it, and 0.83 without
    world.run(300 + 60)
    assert l2_entries(world.engine.effective) == 1000
    world.run(4 * 3600)
    assert len(world.outcomes) == 1


def test_an_effect_shows_when_no_window_reaches_back_to_the_turn() -> None:
    """A mean over ten minutes falls for ten minutes; all of that is the effect of the turn."""
    averaged = a_cleanup(when=f'mean({MEMORY}, "10m") > 0.85', cooldown_seconds=900.0)
    world = a_world(averaged, used=0.87)
    world.until_outcomes(1)
    world.run(4 * 3600)
    assert not events(world, "released")


def test_a_burst_that_was_over_at_once_does_not_hold_a_measure_for_ever() -> None:
    """The effect of the load looks like that of the measure; its weight falls over time."""
    world = a_world(a_cleanup(), used=0.99)
    world.until_trial()
    world.readings = a_world(a_cleanup(), used=0.75).readings  # would it be 1.1 without the turn?
    world.run(1800)
    assert l2_entries(world.engine.effective) == 900
    world.run(3 * 3600)
    assert l2_entries(world.engine.effective) == 1000


def test_a_measure_that_is_needed_again_holds_on_for_longer() -> None:
    """If releasing it brings the pressure back, the pauses between its turns grow."""
    world = a_world(a_cleanup(), used=0.87)  # 0.84 with the first turn
    world.run(24 * 3600)
    releases = len(events(world, "released"))
    starts = [outcome.started_at for outcome in world.outcomes]
    held = [later - one for one, later in pairwise(starts)]
    assert held[0] < held[1] < held[2] < held[3]
    assert held[-1] >= 8 * 300
    assert len(world.outcomes) - 1 <= releases <= 24 * 3600 / (8 * 300) + 4


def test_an_urgent_measure_interrupts_an_experiment() -> None:
    """The experiment is undone, and tries again later."""
    world = a_world(a_rule(), a_cleanup(for_seconds=20.0), used=0.5)
    world.until_trial()
    assert world.engine.effective.cache.promote_after == 3
    world.readings = lambda now, _: {SIGNAL: 100.0, MEMORY: 0.95}
    world.until_outcomes(1)
    (interrupted,) = world.outcomes
    assert (interrupted.rule, interrupted.outcome) == ("nudging", "interrupted")
    assert interrupted.reason == "memory_cleanup came first."
    assert world.engine.effective.cache.promote_after == 2
    assert l2_entries(world.engine.effective) == 900
    trial = world.engine.trial
    assert trial
    assert trial.rule.name == "memory_cleanup"


def test_an_urgent_measure_starts_from_where_the_knob_is_restored_to() -> None:
    """The experiment had grown L2; the measure does not shrink it from that size."""
    growing = a_rule("growing", action="grow_tier", options={"tier": "l2"})
    world = a_world(growing, a_cleanup(for_seconds=0.0), used=0.5)
    world.until_trial()
    assert l2_entries(world.engine.effective) == 1100
    world.readings = lambda now, _: {SIGNAL: 100.0, MEMORY: 0.95}
    world.run(15)
    trial = world.engine.trial
    assert trial
    assert trial.from_ == Size(1000, 100 << 20)
    # The step is a tenth of what L2 held at the time of the proposal, from the restored limit.
    assert l2_entries(world.engine.effective) < 1000


def test_another_measure_waits_for_the_trial_to_end() -> None:
    """Only measures of type memory interrupt trials."""
    patient = a_rule("patient", expect=None, when=f"{MEMORY} > 0.85")
    world = a_world(a_rule(), patient, used=0.5)
    world.until_trial()
    world.readings = lambda now, _: {SIGNAL: 100.0, MEMORY: 0.95}
    world.run(20)
    assert world.engine.standings["patient"].reason == "Waits for the trial of nudging."
    world.until_outcomes(2)
    assert [outcome.rule for outcome in world.outcomes] == ["nudging", "patient"]
    assert world.outcomes[0].outcome == "neutral"


def test_one_urgent_measure_does_not_cut_off_another() -> None:
    """The first change settles before the second rule, which is next, is evaluated."""
    world = a_world(
        a_rule(),
        a_cleanup("first", for_seconds=0.0),
        a_cleanup("second", for_seconds=0.0, options={"tier": "l1"}),
        used=0.95,
    )
    world.run(60)
    reasons = [(outcome.rule, outcome.reason) for outcome in world.outcomes]
    stays = "It stays until its condition has been clear for the cooldown."
    assert reasons == [("first", stays), ("second", stays)]


def test_a_knob_has_one_holder() -> None:
    """Neither another measure nor an experiment turns a knob that a measure holds."""
    nudging = a_rule("holding", type="memory", expect=None, when=f"{MEMORY} > 0.85")
    world = a_world(nudging, a_rule(), used=0.95)
    world.until_outcomes(1)
    world.run(3000)
    reason = world.engine.standings["nudging"].reason
    assert reason in ("promote_after is held by holding.", "Waits for the trial of holding.")
    assert {outcome.rule for outcome in world.outcomes} == {"holding"}


def test_a_guard_watches_a_measure() -> None:
    """A change that costs too much is undone although its condition holds; the rule tries less
    often.
    """
    guard = GuardConfig(signal=SIGNAL, better="higher", worse_by=0.1)
    world = a_world(a_cleanup(guard=guard), used=0.95)
    world.readings = lambda now, effective: {
        SIGNAL: 100.0 if l2_entries(effective) == 1000 else 80.0,
        MEMORY: 0.95,
    }
    world.until_outcomes(2)
    one, later = world.outcomes
    assert (one.outcome, one.reason) == (
        "regressed",
        f"{SIGNAL} went from 100 to 80, against its guard.",
    )
    assert l2_entries(world.engine.effective) == 1000
    assert later.started_at - one.ended_at == pytest.approx(600, abs=20)


def test_a_jump_of_the_clock_ends_the_watch_and_not_the_measure() -> None:
    """Its change is done, and is still needed."""
    guard = GuardConfig(signal=SIGNAL, better="higher", worse_by=0.1)
    world = a_world(a_cleanup(guard=guard), used=0.95)
    world.until_trial()
    world.wall += 3600
    world.run(5)
    (outcome,) = world.outcomes
    assert (outcome.outcome, outcome.reason) == ("applied", "The clock jumped.")
    assert l2_entries(world.engine.effective) == 900


def test_what_a_measure_holds_is_let_go_when_its_rule_is_gone_or_switched_off() -> None:
    """A decision reports it."""
    documents = [
        a_document(),
        a_document(a_cleanup(enabled=False)),
        a_document(a_cleanup(), enabled=False),
        a_document(a_cleanup(), dry_run=True),
    ]
    for document in documents:
        world = a_world(a_cleanup(), used=0.95)
        world.until_outcomes(2)
        decisions = world.engine.configure(document, world.now, world.wall)
        assert [decision.event for decision in decisions] == ["released", "released"]
        assert world.engine.effective == world.engine.configured


def test_a_knob_that_was_configured_anew_is_held_no_more() -> None:
    """The document's value applies; the measure starts from it if it is still needed."""
    world = a_world(a_cleanup(), used=0.95)
    world.until_trial()
    tiers = TiersConfig()
    larger = type(tiers.l2)(max_entries=2000, max_bytes=200 << 20)
    cache = CacheConfig(tiers=TiersConfig(l2=larger))
    decisions = world.engine.configure(a_document(a_cleanup(), cache=cache), world.now, world.wall)
    assert [decision.event for decision in decisions] == ["concluded", "rolled_back"]
    (outcome,) = world.outcomes
    assert (outcome.outcome, outcome.reason) == (
        "interrupted",
        "tiers.l2.size was configured anew.",
    )
    assert decisions[1].fields["to"] == Size(2000, 200 << 20)
    assert world.engine.effective == world.engine.configured
    world.until_outcomes(2)
    assert world.outcomes[1].from_ == Size(2000, 200 << 20)
