"""The shipped rules over a day with a varying load: they improve it, and do not oscillate.

There are two applications. One is in a container with too little memory around noon, and has a full
L3. The other has ample memory and an L2 that is far too small. The same requests go to an untuned
store. The figures are printed; `pytest -s` shows them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from sidecar.config.values import LEVELS, Level
from sidecar.model.change import Size, Value
from sidecar.optimizer.rules import Rule
from sidecar.optimizer.situation import COOLDOWN_SCALES
from tests.optimizer.simulated import HOUR_SECONDS, Day, Load, Machine, Move, Simulation

SEED = 20240614
MOST_LOST = 0.01
"""How much lower the hit ratio of an hour may be than without the optimizer."""
MOST_UNDONE = {"measure": 8, "experiment": 24}
"""How often a rule may undo its changes in a day: a measure because it was released too early, an
experiment because it did not help. That is once an hour for an experiment that never helps.
"""
SHORT_OF_MEMORY, SHORT_OF_ROOM = "short of memory", "short of room"
L2_ENTRIES = {SHORT_OF_MEMORY: 1000, SHORT_OF_ROOM: 300}


@dataclass(frozen=True)
class Run:
    """A day of one of the two applications, at a level."""

    name: str
    level: Level
    day: Day
    rules: tuple[Rule, ...]


def simulation(name: str, folder: Path, level: Level = "balanced") -> Simulation:
    """A day of one of the two applications."""
    l2 = f"l2: {{max_entries: {L2_ENTRIES[name]}}}"
    if name == SHORT_OF_MEMORY:
        cache = f"tiers: {{{l2}, l3: {{max_entries: 2500}}}}\ndurability: memory\n"
        load = Load(least=0.4, most=2.0, skew=1.0)
        machine = Machine(limit_bytes=5.64e6, base_bytes=3.0e6, peak_bytes=0.8e6)
    else:
        cache = f"tiers: {{{l2}, l3: {{enabled: false}}}}\n"
        load = Load(least=2.0, most=12.0, peak=5, keys=1500, skew=0.4)
        machine = Machine(limit_bytes=64e6, base_bytes=20e6, peak_bytes=5e6)
    return Simulation(folder, cache, level, load, machine, seed=SEED)


@pytest.fixture(scope="module", params=L2_ENTRIES)
def untouched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The result of the same day without the optimizer."""
    name: str = request.param
    simulated = simulation(name, tmp_path_factory.mktemp("untouched"))
    return Run(name, "balanced", simulated.run(optimize=False), simulated.engine.rules)


@pytest.fixture(scope="module", params=LEVELS)
def run(
    request: pytest.FixtureRequest, untouched: Run, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """The same day under the rules."""
    level: Level = request.param
    simulated = simulation(untouched.name, tmp_path_factory.mktemp(level), level)
    run = Run(untouched.name, level, simulated.run(optimize=True), simulated.engine.rules)
    say(run, untouched.day)
    return run


def test_no_knob_goes_there_and_back_and_there_again_within_a_cooldown(run: Run) -> None:
    """The cooldown is scaled by the level; the limit applies to all rules together."""
    cooldowns = {rule.name: rule.config.cooldown_seconds for rule in run.rules}
    for knob in {move.knob for move in run.day.moves}:
        turns = turning_points([move for move in run.day.moves if move.knob == knob])
        for there, again in zip(turns, turns[2:], strict=False):
            cooldown = min(cooldowns[there.rule], cooldowns[again.rule])
            assert again.at - there.at >= cooldown * COOLDOWN_SCALES[run.level], (there, again)


def test_no_rule_undoes_often_what_it_did(run: Run) -> None:
    """A measure does so a few times, an experiment with growing pauses."""
    for rule in run.rules:
        turns = turning_points([move for move in run.day.moves if move.rule == rule.name])
        kind = "measure" if rule.config.expect is None else "experiment"
        assert (len(turns) + 1) // 2 <= MOST_UNDONE[kind], rule.name


def test_no_hour_is_worse_off_than_untouched(run: Run, untouched: Run) -> None:
    """The hit ratio of an hour is lower by at most one percentage point."""
    hours = zip(untouched.day.hourly(), run.day.hourly(), strict=True)
    assert max(was - now for was, now in hours) <= MOST_LOST


def test_what_the_rules_are_for_happens(run: Run) -> None:
    """L2 shrinks while memory is short and has its full size again at midnight; or it grows if it
    is too small and the level allows large enough steps.
    """
    sizes = [move.to for move in run.day.moves if move.knob == "tiers.l2.size"]
    entries = [size.max_entries for size in sizes if isinstance(size, Size)]
    configured = L2_ENTRIES[run.name]
    if run.name == SHORT_OF_MEMORY:
        assert run.day.outcomes["memory_cleanup", "applied"] >= 3
        assert min(entries) < 0.7 * configured
        assert entries[-1] >= configured
    elif run.level in ("aggressive", "maximum"):
        assert run.day.outcomes["cache_efficiency", "improved"] >= 3
        assert entries[-1] > 2 * configured


def turning_points(moves: list[Move]) -> list[Move]:
    """The changes whose direction differs from that of the change before."""
    return [later for one, later in pairwise(moves) if upwards(one) != upwards(later)]


def upwards(move: Move) -> bool:
    """Whether a value rises; text is compared in alphabetical order."""
    return bool(_ordered(move.to) > _ordered(move.was))


def _ordered(value: Value) -> tuple[bool | int | float | str, ...]:
    return (value.max_entries, value.max_bytes) if isinstance(value, Size) else (value,)


def say(run: Run, untouched: Day) -> None:
    """Print the result, one line per figure."""
    hours = zip(untouched.hourly(), run.day.hourly(), strict=True)
    outcomes = sorted(run.day.outcomes.items())
    lines = [
        f"{run.name}, {run.level}, seed {SEED}: hit ratio {run.day.hit_ratio:.4f},"
        f" untouched {untouched.hit_ratio:.4f}; the difference by hour, in points:",
        " ".join(f"{100 * (now - was):+.1f}" for was, now in hours),
        *(f"{rule}: {outcome} {count}" for (rule, outcome), count in outcomes),
        *(
            f"{move.at / HOUR_SECONDS:5.2f} h {move.knob} {move.was} -> {move.to} ({move.rule})"
            for move in run.day.moves
        ),
    ]
    sys.stdout.write("\n    ".join(lines) + "\n")
