"""A tick of the engine with a hundred rules and an hour of readings: median and maximum.

Every rule has a condition over windows of up to half an hour, an `expect` and a `guard`. The rules
use different signals and windows, so they share nothing.
"""

from __future__ import annotations

import gc
import itertools
import random
import statistics
import time

from sidecar.catalogue import CATALOGUE
from sidecar.config.values import BaselineConfig, Document, ExpectConfig, GuardConfig, RuleConfig
from sidecar.signals.history import History
from tests.bench.load import say
from tests.optimizer.virtual import World, a_document, a_rule

RULES = 100
WARM_SECONDS, MEASURED_SECONDS = 4200, 600
CONDITIONS = (
    "{a} > {x}",
    'mean({a}, "30m") > {x}',
    'p95({a}, "30m") > {x}',
    'rate({a}, "30m") > 1e6',
    'p95({a}, "{short}m") < baseline.{base} && mean({b}, "{short}m") > target.{base}',
    '({a} - mean({a}, "10m")) / p95({a}, "20m") > 1e6',
)


def run() -> None:
    """Print the duration of ticks, including those that evaluate all conditions."""
    for title, holding in (("all conditions false", "1e15"), ("all conditions true", "-1.0")):
        world = a_world(holding)
        world.run(WARM_SECONDS)
        gc.collect()
        ticks, looks = measured(world)
        say(
            f"{title}: tick median {statistics.median(ticks) * 1e3:.2f} ms,"
            f" worst {max(ticks) * 1e3:.2f};"
            f" of those that look at all rules: median {statistics.median(looks) * 1e3:.2f} ms,"
            f" worst {max(looks) * 1e3:.2f}; {len(world.outcomes)} outcomes"
        )


def measured(world: World) -> tuple[list[float], list[float]]:
    """Seconds of each tick, and of those that evaluated all conditions."""
    engine = world.engine
    ticks, looks = [], []
    for _ in range(MEASURED_SECONDS):
        world.now += 1
        world.wall += 1
        world.history.push(world.now, world.readings(world.now, engine.effective))
        moment, before = world.moment, engine.ticks
        start = time.process_time()
        engine.tick(moment, world.now)
        ticks.append(time.process_time() - start)
        if engine.ticks > before:
            looks.append(ticks[-1])
    return ticks, looks


def a_world(threshold: str) -> World:
    """Random counters and gauges."""
    rng = random.Random(1)
    history = History(CATALOGUE.signals)
    counters = dict.fromkeys(history.readings, 0.0)

    def readings(now: float, _: object) -> dict[str, float]:
        for name in history.readings:
            if name in history.gauges:
                counters[name] = rng.uniform(1, 2)
            else:
                counters[name] += rng.randrange(100)
        return counters

    return World(documented(threshold), readings)


def documented(threshold: str) -> Document:
    names = [signal.name for signal in CATALOGUE.signals.values()]
    rules = [a_hundredth(number, names, threshold) for number in range(RULES)]
    document = a_document(*rules, interval_seconds=30.0)
    baselines = tuple(
        BaselineConfig(signal=name, better="higher", learn=True, target=1.0) for name in names
    )
    return Document(
        texts=document.texts,
        revision=document.revision,
        cache=document.cache,
        optimizer=document.optimizer,
        baselines=baselines,
    )


def a_hundredth(number: int, names: list[str], threshold: str) -> RuleConfig:
    """A rule that shares almost nothing with the others."""
    a, b, base = itertools.islice(itertools.cycle(names), number, number + 3)
    condition = CONDITIONS[number % len(CONDITIONS)]
    window = 60.0 * (1 + number % 25)
    return a_rule(
        f"rule-{number}",
        when=condition.format(a=a, b=b, base=base, x=threshold, short=5 + number % 25),
        expect=ExpectConfig(signal=b, better="higher", by=0.05, window_seconds=window),
        guard=GuardConfig(signal=a, better="higher", worse_by=0.1, window_seconds=window),
    )


if __name__ == "__main__":
    run()
