"""The effect of a new document, a restart or a reset on the changes of the optimizer.

More than 300 lines in one file, since every case is a document in the same world.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.knobs import Effective
from sidecar.config.rules import DEFAULT_RULES
from sidecar.config.values import CacheConfig, Document, RuleConfig, TierConfig, TiersConfig
from sidecar.model.change import Size
from sidecar.model.outcome import Outcome
from sidecar.optimizer.conditions import Condition
from sidecar.optimizer.decisions import Decision, SavedState
from sidecar.optimizer.engine import Engine
from sidecar.optimizer.learning import Learned
from sidecar.optimizer.overlay import KeptTurn
from sidecar.optimizer.standing import Cooldown
from tests.optimizer.virtual import EPOCH, SIGNAL, World, a_document, a_rule

LARGER_L1 = CacheConfig(tiers=TiersConfig(l1=TierConfig(max_entries=500, max_bytes=50 << 20)))


def nudges(effective: Effective) -> int:
    return effective.cache.promote_after - 2


def a_world(
    document: Document,
    memory: SavedState | None = None,
    *,
    effect: float = 10.0,
    wall: float = EPOCH,
) -> World:
    """Each nudge adds `effect` to a signal with a noise of one."""
    rng = random.Random(1)
    return World(
        document,
        lambda now, effective: {SIGNAL: 100 + rng.gauss(0, 1) + effect * nudges(effective)},
        step_seconds=5.0,
        memory=memory,
        wall=wall,
    )


def on_trial(*rules: RuleConfig) -> World:
    world = a_world(a_document(*rules))
    world.until_trial()
    return world


def improved(**changes: Any) -> World:
    """A world in which one change has been kept."""
    world = a_world(a_document(a_rule(**changes)))
    world.until_outcomes(1)
    assert nudges(world.engine.effective) == 1
    return world


def configure(world: World, document: Document) -> list[Decision]:
    return world.engine.configure(document, world.now, world.wall)


def restarted(world: World, document: Document) -> World:
    """Another process with the state that this one has saved."""
    data = msgspec.msgpack.encode(world.engine.memory(world.now, world.wall))
    return a_world(document, msgspec.msgpack.decode(data, type=SavedState), wall=world.wall)


# ---- reloads


def test_a_reload_that_leaves_the_rule_alone_leaves_its_trial_alone() -> None:
    """With other rules, another level and another interval, the trial ends as usual."""
    world = on_trial(a_rule())
    world.run(20)
    other = a_rule("other", when=f"{SIGNAL} < 0.0")
    document = a_document(other, a_rule(), level="aggressive", interval_seconds=20.0)
    assert configure(world, document) == []
    world.until_outcomes(1)
    (outcome,) = world.outcomes
    assert outcome.outcome == "improved"
    assert outcome.ended_at - outcome.started_at == 70


@pytest.mark.parametrize(
    "document",
    [
        a_document(),
        a_document(a_rule(enabled=False)),
        a_document(a_rule(cooldown_seconds=301.0)),
        a_document(a_rule(), level="conservative"),
        a_document(a_rule(), enabled=False),
        a_document(a_rule(), dry_run=True),
    ],
    ids=["gone", "disabled", "changed", "not at this level", "switched off", "dry run"],
)
def test_a_reload_that_changes_the_rule_interrupts_its_trial(document: Document) -> None:
    """Its change is undone, and a decision reports it."""
    world = on_trial(a_rule())
    decisions = configure(world, document)
    assert [decision.event for decision in decisions] == ["concluded", "rolled_back"]
    (outcome,) = world.outcomes
    assert outcome.outcome == "interrupted"
    assert outcome.reason == "Its rule was changed or disabled."
    assert world.engine.effective == world.engine.configured


def test_a_knob_configured_anew_ends_its_trial() -> None:
    """The knob takes the new configured value, not the value at the start of the trial."""
    world = on_trial(a_rule())
    decisions = configure(world, a_document(a_rule(), cache=CacheConfig(promote_after=7)))
    (outcome,) = world.outcomes
    assert (outcome.outcome, outcome.reason) == (
        "interrupted",
        "promote_after was configured anew.",
    )
    assert decisions[-1].fields["to"] == 7
    assert world.engine.effective.cache.promote_after == 7


def test_another_size_of_another_tier_ends_an_experiment_too() -> None:
    """Both changes would be in the same window, so the effect could not be attributed."""
    world = on_trial(a_rule())
    configure(world, a_document(a_rule(), cache=LARGER_L1))
    (outcome,) = world.outcomes
    assert (outcome.outcome, outcome.reason) == ("interrupted", "The cache configuration changed.")
    reloaded_at = world.now
    world.until_trial()
    assert world.now - reloaded_at >= 130


def test_what_was_kept_stays_when_a_document_changes_something_else() -> None:
    """A new document resets only the knobs whose own value it changes."""
    world = improved()
    configure(world, a_document(a_rule(), cache=LARGER_L1))
    assert nudges(world.engine.effective) == 1
    assert world.engine.effective.cache.tiers.l1.max_entries == 500
    configure(world, a_document(a_rule(), cache=replace(LARGER_L1, promote_after=5)))
    assert world.engine.effective.cache.promote_after == 5
    configure(world, a_document(a_rule(), cache=LARGER_L1))
    assert world.engine.effective.cache.promote_after == 2


def test_a_document_that_changes_the_cache_shortens_the_pauses() -> None:
    """A change that did not help with the old values is tried again with the new ones."""
    world = a_world(a_document(a_rule()), effect=0.0)
    world.until_outcomes(3)
    assert world.engine.standings["nudging"].scale == 8
    configure(world, a_document(a_rule(), cache=LARGER_L1))
    assert world.engine.standings["nudging"].scale == 1


# ---- switched off, dry run


@pytest.mark.parametrize("changes", [{"enabled": False}, {"dry_run": True}])
def test_without_permission_to_act_what_was_configured_is_in_force(changes: Any) -> None:
    """Kept changes are suspended; they return as a change when the optimizer is enabled again."""
    world = improved(cooldown_seconds=1.0)
    configure(world, a_document(a_rule(cooldown_seconds=1.0), **changes))
    assert nudges(world.engine.effective) == 0
    world.run(600)
    assert {"improved", "dry_run"} >= {outcome.outcome for outcome in world.outcomes}
    configure(world, a_document(a_rule(cooldown_seconds=1.0)))
    assert nudges(world.engine.effective) == 1
    allowed_at = world.now
    world.until_trial()
    assert world.now - allowed_at >= 130


def test_a_dry_run_says_what_it_would_do_and_does_nothing() -> None:
    """Its records have the same fields as real ones, as far as they apply."""
    world = a_world(a_document(a_rule(cooldown_seconds=100.0), dry_run=True))
    world.run(2000)
    assert {decision.event for decision in world.decisions} == {"fired", "concluded"}
    outcome = world.outcomes[-1]
    assert (outcome.outcome, outcome.after, outcome.effect_ratio) == ("dry_run", None, None)
    assert (outcome.knob, outcome.from_, outcome.to) == ("promote_after", 2, 3)
    assert outcome.before == pytest.approx(100, abs=2)
    assert world.engine.effective == world.engine.configured
    assert not world.engine.trial


def test_a_level_decides_which_rules_run() -> None:
    """The other rules report the lowest level at which they run."""
    rules = [
        a_rule("careful", level="conservative"),
        a_rule("bold", level="maximum"),
    ]
    world = a_world(a_document(*rules, level="aggressive"))
    world.until_trial()
    bold = world.engine.standings["bold"]
    assert (bold.state, bold.reason) == (
        "disabled",
        "It runs from level maximum on; the level is aggressive.",
    )
    world.run(10_000)
    assert {outcome.rule for outcome in world.outcomes} == {"careful"}


@pytest.mark.parametrize(
    ("level", "entries"),
    [("conservative", 1050), ("balanced", 1100), ("aggressive", 1250), ("maximum", 1500)],
)
def test_a_level_caps_the_step(level: Any, entries: int) -> None:
    """The cap applies to any step that a rule states."""
    growing = a_rule(action="grow_tier", options={"tier": "l2", "by": "50%"}, level="conservative")
    world = a_world(a_document(growing, level=level))
    world.until_trial()
    assert world.engine.effective.cache.tiers.l2.max_entries == entries


# ---- restarts and resets


def test_what_was_kept_survives_a_restart() -> None:
    """Outcomes and the rest of the cooldown survive too."""
    world = improved()
    again = restarted(world, a_document(a_rule()))
    assert nudges(again.engine.effective) == 1
    assert again.outcomes == world.outcomes
    remaining = again.engine.standings["nudging"].cooling_until - again.now
    assert remaining == world.engine.standings["nudging"].cooling_until - world.now > 0


def test_what_was_kept_does_not_survive_a_document_that_changed_meanwhile() -> None:
    """Only a change of the knob's own value counts."""
    world = improved()
    other = restarted(world, a_document(a_rule(), cache=LARGER_L1))
    assert nudges(other.engine.effective) == 1
    same_knob = restarted(world, a_document(a_rule(), cache=CacheConfig(promote_after=4)))
    assert same_knob.engine.effective.cache.promote_after == 4


def test_a_wall_clock_set_back_does_not_put_a_rule_to_sleep() -> None:
    """The cooldown is at most as long as without the restart."""
    world = improved()
    data = world.engine.memory(world.now, world.wall + 1e6)
    again = a_world(a_document(a_rule()), data)
    assert again.engine.standings["nudging"].cooling_until <= 2 * 300


def test_all_that_outlives_a_process_is_read_as_it_was_written() -> None:
    """Infinite values, sizes and all kinds of numbers are read as they were written."""
    outcome = Outcome(
        rule="r",
        type="io",
        action="a",
        knob="l3.write_bytes_per_second",
        from_=math.inf,
        to=1e6,
        outcome="improved",
        effect_ratio=math.inf,
        reason="It was.",
        started_at=1.5,
        ended_at=2.5,
    )
    memory = SavedState(
        kept={
            "default_ttl": KeptTurn(math.inf, 3600.0),
            "tiers.l2.size": KeptTurn(Size(10, 20), Size(1, 2)),
            "promote_after": KeptTurn(3, 2),
            "tiers.l1.policy": KeptTurn("sieve", "lru"),
        },
        outcomes=[outcome],
        cooldowns={"r": Cooldown(1e9, 4)},
        learned={SIGNAL: Learned({-3: 0.5, 0: 1.0, 7: 2.0}, 1e9)},
    )
    data = msgspec.msgpack.encode(memory)
    assert msgspec.msgpack.decode(data, type=SavedState) == memory


def test_a_trial_does_not_outlive_its_process() -> None:
    """It ends as interrupted, and the next process starts from the kept changes."""
    world = on_trial(a_rule())
    world.engine.stop(world.now, world.wall)
    again = restarted(world, a_document(a_rule()))
    assert nudges(again.engine.effective) == 0
    assert again.outcomes[-1].reason == "The sidecar stopped."


def test_a_reset_drops_all_that_was_kept() -> None:
    """A trial in progress is dropped too; then every rule starts without a history."""
    world = improved(cooldown_seconds=1.0)
    world.until_trial()
    assert nudges(world.engine.effective) == 2
    decisions = world.engine.reset(world.now, world.wall)
    assert [decision.event for decision in decisions] == ["concluded", "rolled_back"]
    assert decisions[-1].fields["to"] == 2
    assert world.engine.effective == world.engine.configured
    assert restarted(world, a_document(a_rule())).engine.effective == world.engine.configured


def test_taking_a_document_into_force_compiles_nothing() -> None:
    """Each condition is compiled once, when the document is parsed; the engine uses the result."""
    compiled: list[str] = []

    def compile_and_note(text: str, references: Collection[str] | None) -> Condition:
        compiled.append(text)
        return CATALOGUE.conditions.compile(text, references)

    noting = replace(CATALOGUE.vocabulary, compile_condition=compile_and_note)
    document = parse({"rules.yaml": DEFAULT_RULES}, vocabulary=noting)
    assert compiled == [rule.when for rule in document.optimizer.rules]
    started = Engine(document, SavedState(), 0.0, EPOCH, CATALOGUE.knobs)
    taken = Engine(a_document(), SavedState(), 0.0, EPOCH, CATALOGUE.knobs)
    taken.configure(document, 1.0, EPOCH + 1)
    assert started.rules is taken.rules is document.optimizer.compiled
    assert len(compiled) == len(taken.rules)


def test_the_shipped_rules_judge_their_changes_with_either_protocol() -> None:
    """A signal of one protocol has no value for an application that speaks the other, and a rule
    whose guard has no value changes nothing.
    """
    document = parse({"rules.yaml": DEFAULT_RULES}, vocabulary=CATALOGUE.vocabulary)
    judged = {
        part.signal
        for rule in document.optimizer.rules
        for part in (rule.expect, rule.guard)
        if part is not None
    }
    assert "network.get_p99_seconds" in judged
    assert not [signal for signal in judged if signal.startswith(("http.", "resp."))]
