"""Experiments one by one: what they wait for, what ends them, what happens to the change.

More than 300 lines in one file, since every case is a trial in the same world.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from sidecar.config.knobs import Effective
from sidecar.config.values import ExpectConfig, RuleConfig
from sidecar.optimizer.noise import LEAST_PAIRS
from tests.optimizer.virtual import EPOCH, SIGNAL, World, a_document, a_guard, a_rule

OTHER = "io.l3_queue"
"""A signal that the tests' changes do not affect, unless a test says so."""


def nudges(effective: Effective) -> int:
    """The number of times that promote_after was nudged."""
    return effective.cache.promote_after - 2


def a_world(*rules: RuleConfig, effect: float = 0.0, **optimizer: Any) -> World:
    """A world with a signal around 100 with little noise, to which each nudge adds `effect`."""
    rng = random.Random(1)
    return World(
        a_document(*rules, **optimizer),
        lambda now, effective: {SIGNAL: 100 + rng.gauss(0, 1) + effect * nudges(effective)},
        step_seconds=5.0,
    )


def verdicts(world: World) -> list[str]:
    return [outcome.outcome for outcome in world.outcomes]


# ---- waiting


def test_no_trial_begins_before_the_noise_is_known() -> None:
    """The standing names what is missing, and counts up to it."""
    world = a_world(a_rule())
    world.run(600)
    standing = world.engine.standings["nudging"]
    assert standing.state == "pending"
    assert f"of {LEAST_PAIRS} pairs of quiet windows are measured" in standing.reason
    assert "16 of" in standing.reason  # one every 30 s, the first after 130
    world.until_trial()
    assert world.now >= 130 + 30 * (LEAST_PAIRS - 1)


def test_a_guard_waits_for_its_own_noise() -> None:
    """The guard's window may be longer than that of `expect`."""
    world = a_world(a_rule(guard=a_guard(window_seconds=180.0)))
    world.run(130 + 30 * LEAST_PAIRS)
    assert "quiet windows for its guard" in world.engine.standings["nudging"].reason
    world.until_trial()
    assert world.now >= 370 + 90 * (LEAST_PAIRS - 1)


def test_the_condition_has_to_hold_for_its_time_and_for_a_window() -> None:
    """Otherwise the window before would be from a time without the problem."""
    bad_since = 3000.0
    for for_seconds, waited in ((0.0, 60.0), (200.0, 200.0)):
        world = World(
            a_document(a_rule(when=f"{SIGNAL} < 50.0", for_seconds=for_seconds)),
            lambda now, _: {SIGNAL: 10.0 if now > bad_since else 100.0},
            step_seconds=5.0,
        )
        world.until_trial()
        assert bad_since + waited <= world.now <= bad_since + waited + 20


def test_no_pair_spans_a_change() -> None:
    """Each change makes the signal jump by a hundred, but the noise stays at one."""
    world = a_world(a_rule(cooldown_seconds=30.0), effect=-100.0)
    world.until_outcomes(20)
    assert set(verdicts(world)) == {"regressed"}
    for outcome in world.outcomes:
        assert outcome.noise is not None
        assert outcome.noise < 5


def test_between_two_trials_lies_a_pair_of_untouched_windows() -> None:
    """Even with a short cooldown, a trial must not be judged by noise from long ago."""
    world = a_world(a_rule(cooldown_seconds=1.0))
    world.until_outcomes(10)
    for one, next_one in pairwise(world.outcomes):
        assert next_one.started_at - one.ended_at >= 130


def test_a_signal_that_is_promised_and_not_there_makes_the_rule_unavailable() -> None:
    """The state is shown and is not a failure; this also holds for the guard's signal."""
    for changes in (
        {"expect": ExpectConfig(signal=OTHER, better="lower", by=0.0)},
        {"guard": a_guard(signal=OTHER)},
        {"when": f"{OTHER} > 0.0"},
    ):
        world = a_world(a_rule(**changes))
        world.run(3000)
        standing = world.engine.standings["nudging"]
        assert (standing.state, standing.reason) == ("unavailable", f"No value of {OTHER}.")
        assert not world.outcomes


# ---- ends


def test_an_improvement_stays_and_the_next_one_starts_from_there() -> None:
    """Each nudge adds ten to a noise of one."""
    world = a_world(a_rule(), effect=10.0)
    world.until_outcomes(2)
    assert verdicts(world) == ["improved", "improved"]
    assert nudges(world.engine.effective) == 2
    assert [(outcome.from_, outcome.to) for outcome in world.outcomes] == [(2, 3), (3, 4)]


def test_a_record_has_all_its_figures() -> None:
    """The figures are in the signal's unit and in wall time."""
    world = a_world(a_rule(), effect=10.0)
    world.until_outcomes(1)
    (outcome,) = world.outcomes
    assert (outcome.rule, outcome.type, outcome.action) == ("nudging", "cache", "nudge")
    assert (outcome.knob, outcome.from_, outcome.to) == ("promote_after", 2, 3)
    assert (outcome.outcome, outcome.signal) == ("improved", SIGNAL)
    assert outcome.before == pytest.approx(100, abs=2)
    assert outcome.after == pytest.approx(110, abs=2)
    assert outcome.noise == pytest.approx(1, abs=0.5)
    assert outcome.effect_ratio == pytest.approx(0.1, abs=0.02)
    assert outcome.reason.startswith(f"{SIGNAL} went from 100.")
    assert outcome.ended_at - outcome.started_at == 70  # settling and the window
    assert outcome.ended_at == EPOCH + world.now


def test_what_does_nothing_is_undone() -> None:
    """Otherwise a useless rule would slowly move its knob to the floor."""
    world = a_world(a_rule())
    world.until_outcomes(1)
    assert verdicts(world) == ["neutral"]
    assert nudges(world.engine.effective) == 0
    assert [decision.event for decision in world.decisions] == [
        "fired",
        "changed",
        "concluded",
        "rolled_back",
    ]


def test_what_does_harm_is_undone() -> None:
    """The signal gets worse by more than the noise."""
    world = a_world(a_rule(), effect=-10.0)
    world.until_outcomes(1)
    assert verdicts(world) == ["regressed"]
    assert nudges(world.engine.effective) == 0


def test_less_than_was_promised_is_no_improvement() -> None:
    """An improvement of 10 % is real, but less than the 20 % that the rule expects."""
    expect = ExpectConfig(signal=SIGNAL, better="higher", by=0.2)
    world = a_world(a_rule(expect=expect), effect=10.0)
    world.until_outcomes(1)
    (outcome,) = world.outcomes
    assert outcome.outcome == "neutral"
    assert outcome.reason == "The difference is real, but no more than 20% of what it was before."


def test_a_guard_ends_a_harmful_trial_before_its_window_is_full() -> None:
    """The expected signal improves, but the trial ends as regressed at the first check."""
    expect = ExpectConfig(signal=OTHER, better="higher", by=0.0)
    rng = random.Random(2)
    world = World(
        a_document(a_rule(expect=expect, guard=a_guard())),
        lambda now, effective: {
            SIGNAL: 100 + rng.gauss(0, 1) - 30 * nudges(effective),
            OTHER: 1 + rng.gauss(0, 0.1) + nudges(effective),
        },
        step_seconds=5.0,
    )
    world.until_outcomes(1)
    (outcome,) = world.outcomes
    assert outcome.outcome == "regressed"
    assert outcome.reason.startswith(f"{SIGNAL} went from ")
    assert outcome.reason.endswith("against its guard.")
    assert outcome.ended_at - outcome.started_at == 25  # settling, and a quarter of the window
    assert outcome.effect_ratio == pytest.approx(1, abs=0.2)
    assert nudges(world.engine.effective) == 0


def test_a_guard_bears_what_its_rule_allows() -> None:
    """The signal loses 5 %, and the rule allows 10 %."""
    expect = ExpectConfig(signal=OTHER, better="higher", by=0.0)
    rng = random.Random(2)
    world = World(
        a_document(a_rule(expect=expect, guard=a_guard())),
        lambda now, effective: {
            SIGNAL: 100 + rng.gauss(0, 1) - 5 * nudges(effective),
            OTHER: 1 + rng.gauss(0, 0.1) + nudges(effective),
        },
        step_seconds=5.0,
    )
    world.until_outcomes(1)
    assert verdicts(world) == ["improved"]


def test_a_guard_that_was_at_zero_once_still_guards() -> None:
    """Relative to zero any loss is infinite; the guard's noise is in the unit of the signal."""
    expect = ExpectConfig(signal=SIGNAL, better="higher", by=0.0)
    rng = random.Random(3)
    world = World(
        a_document(a_rule(expect=expect, guard=a_guard(signal=OTHER, better="lower"))),
        lambda now, effective: {
            SIGNAL: 100 + rng.gauss(0, 1),
            OTHER: (1.0 if now > 600 else 0.0) + 5 * nudges(effective),
        },
        step_seconds=5.0,
    )
    world.until_outcomes(1)
    assert "against its guard" in world.outcomes[0].reason


def test_too_little_seen_after_a_change_is_no_judgement() -> None:
    """The signal disappears during the trial, which is interrupted and undone."""
    world = World(
        a_document(a_rule()),
        lambda now, effective: {} if nudges(effective) else {SIGNAL: 100.0},
        step_seconds=5.0,
    )
    world.until_outcomes(1)
    (outcome,) = world.outcomes
    assert (outcome.outcome, outcome.after) == ("interrupted", None)
    assert nudges(world.engine.effective) == 0


# ---- how often


def test_a_useless_rule_tries_less_and_less_often() -> None:
    """Its cooldown doubles, up to eight times the configured one."""
    world = a_world(a_rule(cooldown_seconds=300.0))
    world.until_outcomes(6)
    pauses = [later.started_at - one.ended_at for one, later in pairwise(world.outcomes)]
    assert pauses == pytest.approx([600, 1200, 2400, 2400, 2400], abs=20)


def test_an_improvement_ends_the_longer_pauses() -> None:
    """After two useless changes and a good one, the next pause is one cooldown."""
    world = a_world(a_rule(cooldown_seconds=300.0))
    world.until_outcomes(2)
    rng = random.Random(4)
    world.readings = lambda now, effective: {SIGNAL: 100 + rng.gauss(0, 1) + 9 * nudges(effective)}
    world.until_outcomes(4)
    assert verdicts(world) == ["neutral", "neutral", "improved", "improved"]
    assert world.outcomes[3].started_at - world.outcomes[2].ended_at == pytest.approx(300, abs=20)


@pytest.mark.parametrize(
    ("level", "scale"),
    [("conservative", 2.0), ("balanced", 1.0), ("aggressive", 0.5), ("maximum", 0.25)],
)
def test_the_level_scales_cooldowns(level: Any, scale: float) -> None:
    """From twice the configured cooldown to a quarter of it."""
    rule = a_rule(cooldown_seconds=1000.0, level="conservative")
    world = a_world(rule, effect=10.0, level=level)
    world.until_outcomes(2)
    pause = world.outcomes[1].started_at - world.outcomes[0].ended_at
    assert pause == pytest.approx(1000 * scale, abs=20)


def test_an_action_that_raises_has_failed_and_cools_twice_as_long() -> None:
    """The loop continues: the other rule has its trial."""
    broken = a_rule("broken", action="broken", cooldown_seconds=1000.0)
    world = a_world(broken, a_rule())
    world.run(5000)
    failures = [outcome for outcome in world.outcomes if outcome.rule == "broken"]
    assert "out of ideas" in failures[0].reason
    assert failures[1].started_at - failures[0].started_at == pytest.approx(2000, abs=20)
    assert {outcome.outcome for outcome in failures} == {"failed"}
    assert "neutral" in verdicts(world)


def test_a_change_that_can_not_be_put_in_force_has_failed() -> None:
    """The caller of the tick reports it; the knob is restored, and the cooldown doubles."""
    world = a_world(a_rule(cooldown_seconds=1000.0))
    world.until_trial()
    decisions = world.engine.failed("No such policy.", world.now, world.wall)
    assert [decision.event for decision in decisions] == ["concluded", "rolled_back"]
    assert nudges(world.engine.effective) == 0
    world.until_trial()
    (outcome,) = world.outcomes
    assert (outcome.outcome, outcome.reason) == ("failed", "No such policy.")
    assert world.wall - outcome.ended_at == pytest.approx(2000, abs=20)


def test_without_a_trial_all_that_was_turned_is_to_blame() -> None:
    """Kept changes are dropped, and so are those of measures."""
    holding = a_rule("holding", type="memory", action="shrink_tier", options={"tier": "l2"})
    world = a_world(a_rule(), effect=10.0)
    world.until_outcomes(1)
    world.engine.configure(a_document(replace(holding, expect=None)), world.now, world.wall)
    world.until_outcomes(2)
    assert nudges(world.engine.effective) == 1
    decisions = world.engine.failed("No such policy.", world.now, world.wall)
    assert [decision.event for decision in decisions] == ["released"]
    assert world.engine.effective == world.engine.configured
    assert world.engine.failed("No such policy.", world.now, world.wall) == []


def test_a_deed_that_fails_after_its_trial_fails_nobody_elses() -> None:
    """It has its own outcome; the trial in progress is that of another rule."""
    options: dict[str, Any] = {"type": "io", "action": "compact_l3", "expect": None}
    world = a_world(a_rule("compacting", cooldown_seconds=5000.0, **options), a_rule())
    world.until_trial()
    one_shot = world.engine.trial
    world.until_outcomes(1)
    assert "nothing to take back" in world.outcomes[0].reason
    world.until_trial()
    (decision,) = world.engine.failed("No disk.", world.now, world.wall, one_shot)
    failed_at = world.now
    assert (decision.event, decision.fields["reason"]) == ("concluded", "No disk.")
    assert [(it.rule, it.outcome) for it in world.outcomes] == [
        ("compacting", "applied"),
        ("compacting", "failed"),
    ]
    trial = world.engine.trial
    assert trial
    assert trial.rule.name == "nudging"
    cools = world.engine.standings["compacting"].cooling_until - failed_at
    assert cools == 2 * 5000


def test_a_wait_is_never_for_nothing() -> None:
    """A part of a second is shown as one second, and only what has been reached as reached."""
    world = a_world(a_rule(cooldown_seconds=20.0), interval_seconds=1.0)
    world.until_outcomes(1)
    world.step_seconds = 0.3
    standing = world.engine.standings["nudging"]
    seen = set()
    while standing.state == "cooling_down":
        world.run(world.step_seconds)
        seen.add(standing.reason)
    assert "For another 1 s." in seen
    assert "For another 0 s." not in seen


# ---- one at a time


def test_there_is_one_trial_at_a_time_in_the_order_of_the_rules() -> None:
    """The second rule waits, and its standing names the rule that it waits for."""
    world = a_world(a_rule("first"), a_rule("second"))
    world.until_trial()
    assert world.engine.standings["first"].state == "active"
    assert world.engine.standings["second"].reason == "Waits for the trial of first."
    world.until_outcomes(4)
    assert {outcome.rule for outcome in world.outcomes} == {"first", "second"}
    for one, later in pairwise(world.outcomes):
        assert later.started_at >= one.ended_at


def test_at_most_500_outcomes_are_kept() -> None:
    """The oldest are dropped; a dry run makes many."""
    world = a_world(a_rule(cooldown_seconds=1.0), dry_run=True, interval_seconds=5.0)
    world.run(1300 + 510 * 5)
    assert len(world.outcomes) == 500
    assert set(verdicts(world)) == {"dry_run"}
    starts = [outcome.started_at for outcome in world.outcomes]
    assert starts == sorted(starts)
    assert starts[-1] == world.wall


Jump = Callable[[World], None]


def by_an_hour(world: World) -> None:
    world.wall += 3600


def backwards(world: World) -> None:
    world.wall -= 3600


def by_a_gap(world: World) -> None:
    world.now += 60
    world.wall += 60


@pytest.mark.parametrize("jump", [by_an_hour, backwards, by_a_gap])
def test_no_trial_is_judged_across_a_jump_of_the_clock(jump: Jump) -> None:
    """It is interrupted and undone, and the next one needs windows from after the jump."""
    world = a_world(a_rule(cooldown_seconds=1.0), effect=10.0)
    world.until_trial()
    world.run(20)
    jump(world)
    jumped_at = world.now
    world.run(5)
    (outcome,) = world.outcomes
    assert (outcome.outcome, outcome.reason) == ("interrupted", "The clock jumped.")
    assert nudges(world.engine.effective) == 0
    world.until_trial()
    assert world.now - jumped_at >= 130
    world.until_outcomes(2)
    assert verdicts(world)[1] == "improved"
    assert world.outcomes[1].ended_at - world.outcomes[1].started_at == 70


def test_small_corrections_of_the_wall_clock_are_no_jump() -> None:
    """Time servers make corrections of a second."""
    world = a_world(a_rule(), effect=10.0)
    world.until_trial()
    for correction in (1, -2, 3):
        world.wall += correction
        world.run(10)
    world.run(70)
    assert verdicts(world) == ["improved"]
