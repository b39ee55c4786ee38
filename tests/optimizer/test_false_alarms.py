"""The outcomes of an action without effect and of one with an effect, over many trials.

The figures are printed; `pytest -s` shows them. The seeds are fixed, so the figures are too.
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
"""The windows of the rules, one minute, and the settling time, ten seconds."""
MOST_FALSE_ALARMS = 0.05
LEVEL = 100.0
"""The mean of the processes, so that a share of it is well defined."""

ANY_TIME = f"{SIGNAL} > -1e9"
BAD_VALUE = f'mean({SIGNAL}, "1m") < {LEVEL - 0.2}'
"""A condition on the judged signal, which returns to its mean by itself; often true everywhere."""

every_process = pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)

Effect = Callable[[Effective], float]


def nothing(effective: Effective) -> float:
    return 0.0


class Series:
    """A world whose signal is a random process, with one rule that has a short cooldown."""

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
        """Run this many trials, each starting from the configured value."""
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
    """At most one trial in twenty, started at any time or by the bad value itself."""
    series = Series(process, a_trying_rule(when)).run(500)
    say("false alarms", series)
    assert series.share("improved", "regressed") <= MOST_FALSE_ALARMS


@every_process
def test_a_guard_hardly_ever_breaks_over_nothing(process: Process) -> None:
    """The guard allows no loss, so only its noise prevents an alarm; alarms count as errors."""
    guard = a_guard(worse_by=0.0)
    series = Series(process, a_trying_rule(guard=guard)).run(500)
    say("false alarms, some by the guard", series)
    assert series.share("improved", "regressed") <= MOST_FALSE_ALARMS


LEAST_FOUND = {
    # 96 % at best: a normal difference exceeds 4 - 2.24 of its deviations that often.
    "white noise": 0.95,
    "AR(0.9)": 0.95,
    "AR(0.98)": 0.95,
    # The level drifts after the noise was measured, and does not return to the mean as expected.
    "daily waves": 0.90,
    # The standard deviation of these comes from few, large differences. The one that only 2.5 % of
    # them exceed is itself about as large as four standard deviations, and its size in the last
    # hours varies. A method that detects more effects also mistakes more bursts for effects.
    "steps": 0.4,
    "bursts": 0.3,
}


@pytest.mark.parametrize("name", PROCESSES)
def test_a_large_effect_is_hardly_ever_missed(name: str) -> None:
    """The effect is four standard deviations of the difference of two windows without changes.

    This holds from the first trial on, over five worlds. How large a difference was exceeded once
    in a while in the half hour before the first trial is random.
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
    """The change is undone every time."""
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
