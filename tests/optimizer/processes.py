"""Signals without outside influence, whose changes the optimizer must not attribute to itself."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

Process = Callable[[random.Random], Iterator[float]]
"""Returns a value for each step."""

DAY_STEPS = 17_280
"""A day in steps of five seconds."""


def white(rng: random.Random) -> Iterator[float]:
    while True:
        yield rng.gauss(0, 1)


def autoregressive(share: float) -> Process:
    def values(rng: random.Random) -> Iterator[float]:
        value = 0.0
        while True:
            value = share * value + rng.gauss(0, 1)
            yield value

    return values


def steps(rng: random.Random) -> Iterator[float]:
    """Levels that last half an hour on average."""
    level = 0.0
    while True:
        if rng.random() < 1 / 360:
            level = rng.gauss(0, 3)
        yield level + rng.gauss(0, 1)


def bursts(rng: random.Random) -> Iterator[float]:
    """Bursts of a minute with much higher values, every twenty minutes on average."""
    left, height = 0, 0.0
    while True:
        if left == 0 and rng.random() < 1 / 240:
            left, height = 1 + int(rng.expovariate(1 / 12)), rng.uniform(5, 10)
        left = max(0, left - 1)
        yield (height if left else 0.0) + rng.gauss(0, 1)


def daily_waves(rng: random.Random) -> Iterator[float]:
    step = rng.randrange(DAY_STEPS)
    while True:
        step += 1
        yield 5 * math.sin(2 * math.pi * step / DAY_STEPS) + rng.gauss(0, 1)


PROCESSES: dict[str, Process] = {
    "white noise": white,
    "AR(0.9)": autoregressive(0.9),
    "AR(0.98)": autoregressive(0.98),
    "steps": steps,
    "bursts": bursts,
    "daily waves": daily_waves,
}
