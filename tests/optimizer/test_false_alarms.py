"""What an action that does nothing is called, and one that does something, over many trials.

The figures are printed; `pytest -s` shows them. The seeds are fixed, so they are always the same.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable
from itertools import islice
from statistics import fmean, pstdev

import pytest

from sidecar.config.knobs import Effective
from sidecar.config.values import GuardConfig, RuleConfig
from tests.optimizer.processes import PROCESSES, Process
from tests.optimizer.virtual import SIGNAL, World, a_document, a_guard, a_rule

STEP_SECONDS = 5.0
WINDOW_STEPS, GAP_STEPS = 12, 2
"""The rules' windows of a minute, and the ten seconds in which a change settles."""
MOST_FALSE_ALARMS = 0.05
LEVEL = 100.0
"""Around which the processes vary, so that a share of it means something."""

ANY_TIME = f"{SIGNAL} > -1e9"
BAD_VALUE = f'mean({SIGNAL}, "1m") < {LEVEL - 0.2}'
"""Of the signal that is judged itself: it will return by itself. All processes are often there."""

every_process = pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)

Effect = Callable[[Effective], float]


def nothing(effective: Effective) -> float:
    return 0.0


class Series:
    """A world whose signal is a process, with one rule that tries again soon."""

    def __init__(
        self, process: Process, rule: RuleConfig, *, effect: Effect = nothing, seed: int = 1
    ) -> None:
        values = process(random.Random(seed))
        self.world = World(
            a_document(rule),
            lambda now, effective: {SIGNAL: LEVEL + next(values) + effect(effective)},
            step_seconds=STEP_SECONDS,
        )
        self.counts: Counter[str] = Counter()
        """Trials by outcome."""
        self.broken_guards = 0

    def run(self, trials: int) -> Series:
        """So many trials, each from the configured value on."""
        world = self.world
        while self.counts.total() < trials:
            for decision in world.run(STEP_SECONDS):
                if decision.event == "concluded":
                    self.counts[str(decision.fields["outcome"])] += 1
                    self.broken_guards += "guard" in str(decision.fields["reason"])
                    world.engine.reset(world.now, world.wall)
        return self

    def share(self, *verdicts: str) -> float:
        return sum(self.counts[verdict] for verdict in verdicts) / self.counts.total()

    def __str__(self) -> str:
        shares = [f"{verdict} {self.share(verdict):.1%}" for verdict in self.counts]
        return f"{', '.join(shares)}; {self.broken_guards} guards broke"


def say(what: str, series: Series) -> None:
    sys.stdout.write(f"{what}: {series}\n")


def a_trying_rule(when: str = ANY_TIME, guard: GuardConfig | None = None) -> RuleConfig:
    return a_rule(when=when, cooldown_seconds=60.0, guard=guard)


def deviation_of_differences(process: Process, seed: int = 1) -> float:
    """The standard deviation of the difference of two untouched windows."""
    values = list(islice(process(random.Random(seed)), 100_000))
    reach = 2 * WINDOW_STEPS + GAP_STEPS
    return pstdev(
        fmean(values[at + reach - WINDOW_STEPS : at + reach])
        - fmean(values[at : at + WINDOW_STEPS])
        for at in range(0, len(values) - reach, WINDOW_STEPS // 2)
    )


@every_process
@pytest.mark.parametrize("when", [ANY_TIME, BAD_VALUE], ids=["at any time", "on a bad value"])
def test_an_action_that_does_nothing_is_hardly_ever_called_anything_else(
    process: Process, when: str
) -> None:
    """At most one in twenty, started whenever it may or by the bad value itself."""
    series = Series(process, a_trying_rule(when)).run(500)
    say("false alarms", series)
    assert series.share("improved", "regressed") <= MOST_FALSE_ALARMS


@every_process
def test_a_guard_hardly_ever_breaks_over_nothing(process: Process) -> None:
    """It allows nothing at all, so only its noise keeps it whole; its alarms count like others."""
    guard = a_guard(worse_by=0.0)
    series = Series(process, a_trying_rule(guard=guard)).run(500)
    say("false alarms, some by the guard", series)
    assert series.share("improved", "regressed") <= MOST_FALSE_ALARMS


LEAST_FOUND = {
    # 96 % at best: a normal difference is beyond 4 - 2.24 of its deviations as often.
    "white noise": 0.95,
    "AR(0.9)": 0.95,
    "AR(0.98)": 0.95,
    # The level moves on from where the noise was measured, and a return is expected that isn't one.
    "daily waves": 0.90,
    # The standard deviation of these comes from few, large differences. The one that only 2.5 % of
    # them exceed is itself about as large as four standard deviations, and how large it was in the
    # last hours varies. Whatever finds more calls more of the bursts an effect.
    "steps": 0.4,
    "bursts": 0.3,
}


@pytest.mark.parametrize("name", PROCESSES)
def test_a_large_effect_is_hardly_ever_missed(name: str) -> None:
    """Four standard deviations of the difference of two windows that nobody touched.

    From the first trial on, over five worlds: how large a difference was exceeded once in a while
    in the half hour before the first one is a matter of luck.
    """
    process = PROCESSES[name]
    effect = 4 * deviation_of_differences(process)
    found = []
    for seed in range(1, 6):
        series = Series(
            process,
            a_trying_rule(),
            effect=lambda effective: effect if effective.cache.promote_after > 2 else 0.0,
            seed=seed,
        ).run(100)
        say("found", series)
        found.append(series.share("improved"))
    sys.stdout.write(f"found in all of them: {fmean(found):.1%}\n")
    assert fmean(found) >= LEAST_FOUND[name]


def test_an_effect_in_the_wrong_direction_is_called_regressed_as_surely() -> None:
    """And is undone, every time."""
    process = PROCESSES["white noise"]
    effect = 4 * deviation_of_differences(process)
    series = Series(
        process,
        a_trying_rule(),
        effect=lambda effective: -effect if effective.cache.promote_after > 2 else 0.0,
    ).run(300)
    say("found", series)
    assert series.share("regressed") >= 0.95
    assert series.world.engine.effective == series.world.engine.configured
