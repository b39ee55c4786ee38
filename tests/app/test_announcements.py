"""Events about the optimizer, in virtual time, and about L3."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from sidecar.app.announcements import Announcer
from sidecar.config.values import CacheConfig, TiersConfig
from sidecar.model.announcement import Announcement
from sidecar.tiers.process import Trouble
from tests.optimizer.virtual import SIGNAL, World, a_document, a_rule


def told_of(effect: float) -> list[Announcement]:
    """The events after one trial of a change that adds `effect`; they are not repeated."""
    rng = random.Random(1)
    world = World(
        a_document(a_rule()),
        lambda _, effective: {
            SIGNAL: 100 + rng.gauss(0, 1) + effect * (effective.cache.promote_after - 2)
        },
        step_seconds=5.0,
    )
    announced: list[Announcement] = []
    announcer = Announcer(lambda: None, world.engine, announced.append)
    announcer.look()
    assert announced == []
    world.until_outcomes(1)
    announcer.look()
    told = [*announced]
    announcer.look()
    assert announced == told
    return told


def test_a_change_that_did_harm_is_told() -> None:
    """The event has the rule and the measured values."""
    [announcement] = told_of(-10.0)
    assert (announcement.reason, announcement.problem) == ("TrialRolledBack", True)
    assert announcement.note.startswith("nudge of rule nudging was undone (regressed). ")


@pytest.mark.parametrize("effect", [0.0, 10.0])
def test_what_helped_or_was_of_no_use_is_routine(effect: float) -> None:
    assert told_of(effect) == []


def test_each_trouble_of_l3_is_told_once() -> None:
    """A repeated failure is a new event; disabling L3 is none."""
    crashed, again = Trouble("crashed", "it is gone"), Trouble("crashed", "it is gone")
    troubles = [None, crashed, crashed, again]
    current = iter(troubles)
    announced: list[Announcement] = []
    engine = World(a_document(), lambda *_: {}).engine
    announcer = Announcer(lambda: next(current), engine, announced.append)
    counts = []
    for _ in troubles:
        announcer.look()
        counts.append(len(announced))
    assert counts == [0, 1, 1, 2]
    assert announced[0].note == "Running without L3 (crashed): it is gone."
    tiers = replace(TiersConfig(), l3=replace(TiersConfig().l3, enabled=False))
    without = World(a_document(cache=CacheConfig(tiers=tiers)), lambda *_: {})
    Announcer(lambda: crashed, without.engine, announced.append).look()
    assert len(announced) == 2
