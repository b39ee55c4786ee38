"""Learned baselines: quantiles with decay, in bounded memory."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.catalogue import CATALOGUE
from sidecar.config.values import BaselineConfig
from sidecar.optimizer.baselines import Baselines
from sidecar.optimizer.learning import ACCURACY, LEAST_WEIGHT, Learned
from sidecar.signals.history import History
from tests.optimizer.virtual import EPOCH, SIGNAL

DAY = 86_400.0


def learned_from(values: list[float], half_life: float = math.inf) -> Learned:
    learned = Learned()
    for second, value in enumerate(values):
        learned.add(value, EPOCH + second, half_life)
    return learned


@given(
    st.lists(st.floats(-1e12, 1e12).filter(lambda v: v == 0 or abs(v) > 1e-8), min_size=1),
    st.sampled_from([0.05, 0.5, 0.95]),
)
def test_a_quantile_is_as_accurate_as_promised(values: list[float], share: float) -> None:
    """The error is at most 1 % of the value of that rank, for any sign and size."""
    found = learned_from(values).quantile(share)
    assert found is not None
    exact = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    assert found == pytest.approx(exact, rel=ACCURACY * 1.001)


def test_old_values_count_half_after_a_half_life() -> None:
    """After one half-life, a hundred old values weigh as much as fifty new ones."""
    learned = Learned()
    for _ in range(100):
        learned.add(1.0, EPOCH, DAY)
    for _ in range(51):
        learned.add(10.0, EPOCH + DAY, DAY)
    assert learned.weight(EPOCH + DAY) == pytest.approx(101)
    assert learned.quantile(0.5) == pytest.approx(10.0, rel=ACCURACY)
    assert learned.quantile(0.49) == pytest.approx(1.0, rel=ACCURACY)


def test_the_median_follows_a_lasting_change_within_a_half_life() -> None:
    """Ten days at one level, then a little more than a day at another."""
    learned = Learned()
    for minute in range(11 * 1440 + 30):
        learned.add(1.0 if minute < 10 * 1440 else 2.0, EPOCH + 60 * minute, DAY)
    assert learned.quantile(0.5) == pytest.approx(2.0, rel=ACCURACY)


def test_years_are_no_trouble() -> None:
    """Weights grow exponentially, and are scaled down in time; old buckets are dropped."""
    rng = random.Random(1)
    learned = Learned()
    for day in range(3650):
        learned.add(rng.lognormvariate(day / 365, 0.1), EPOCH + day * DAY, DAY)
    assert all(map(math.isfinite, learned.buckets.values()))
    assert learned.quantile(0.5) == pytest.approx(math.exp(10), rel=0.5)
    assert len(learned.buckets) < 1000
    assert learned.weight(EPOCH + 3650 * DAY) == pytest.approx(1, rel=0.01)


def test_memory_is_bounded_whatever_comes() -> None:
    """The values range over more than forty orders of magnitude, with both signs."""
    rng = random.Random(2)
    values = [rng.choice((-1, 1)) * 10 ** rng.uniform(-20, 20) for _ in range(50_000)]
    assert len(learned_from(values).buckets) <= 5600


@pytest.mark.parametrize("value", [0.0, 1e-300, -1e-300])
def test_what_is_next_to_nothing_is_zero(value: float) -> None:
    """Rates and ratios are often zero."""
    assert learned_from([value] * 3).quantile(0.5) == 0.0


def test_a_clock_that_goes_back_is_harmless() -> None:
    """Nothing overflows, and later values have their usual weight."""
    learned = Learned()
    for at in (EPOCH, 0.0, EPOCH + 1e12, EPOCH, EPOCH + 1e12 + 1, EPOCH):
        learned.add(1.0, at, DAY)
        assert learned.quantile(0.5) == pytest.approx(1.0, rel=ACCURACY)
        assert 1 <= learned.weight(at) <= 6
        assert math.isfinite(learned.weight(0.0))
    for second in range(10):
        learned.add(2.0, EPOCH + second, DAY)
    assert learned.quantile(0.5) == pytest.approx(2.0, rel=ACCURACY)


@pytest.mark.parametrize("half_life", [DAY / 24, 30 * DAY])
def test_another_half_life_holds_from_now_on(half_life: float) -> None:
    """Values learned with the old one keep their weight, and decay with the new one."""
    learned = Learned()
    for day in range(300):
        learned.add(1.0, EPOCH + day * DAY, DAY)
    now = EPOCH + 299 * DAY
    learned.add(10.0, now, half_life)
    assert learned.weight(now) == pytest.approx(3)
    assert learned.weight(now + half_life) == pytest.approx(1.5)
    for _ in range(3):
        learned.add(10.0, now, half_life)
    assert learned.quantile(0.5) == pytest.approx(10.0, rel=ACCURACY)


def test_it_goes_on_after_a_restart() -> None:
    """It continues from the saved state, as if without the restart."""
    rng = random.Random(3)
    values = [rng.gauss(5, 1) for _ in range(1000)]
    whole = learned_from(values, DAY)
    first = learned_from(values[:500], DAY)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(first), type=Learned)
    for second, value in enumerate(values[500:], 500):
        again.add(value, EPOCH + second, DAY)
    assert again == whole


# ---- as baselines


def observed(baselines: Baselines, seconds: int, value: float, start: int = 0) -> None:
    history = History(CATALOGUE.signals)
    for second in range(start, start + seconds):
        history.push(float(second), {SIGNAL: value})
        baselines.observe(history, float(second), EPOCH + second)


def test_a_learned_baseline_is_the_median_and_its_target_the_best_twentieth() -> None:
    """The target is the 5th percentile if lower is better."""
    config = BaselineConfig(signal=SIGNAL, better="lower", learn=True)
    baselines = Baselines()
    baselines.configure((config,))
    history, rng = History(CATALOGUE.signals), random.Random(4)
    for second in range(40_000):
        history.push(float(second), {SIGNAL: rng.uniform(0, 100)})
        if second % 10 == 0:
            history.push(second + 0.5, {SIGNAL: rng.uniform(0, 100)})
        baselines.observe(history, float(second), EPOCH + second)
    (aim,) = baselines.aims
    assert aim.baseline == pytest.approx(50, rel=0.05)
    assert aim.target is not None
    assert 25 < aim.target < 40  # of means over ten seconds
    assert aim.learned


def test_nothing_is_believed_before_there_is_enough() -> None:
    """It takes a hundred samples, one every ten seconds; until then the condition has no value."""
    baselines = Baselines()
    baselines.configure((BaselineConfig(signal=SIGNAL, better="lower", learn=True),))
    observed(baselines, 900, 5.0)
    assert baselines.baseline(SIGNAL) is None
    observed(baselines, int(LEAST_WEIGHT * 10) - 850, 5.0, start=900)
    assert baselines.baseline(SIGNAL) == pytest.approx(5.0, rel=ACCURACY)


def test_the_shortest_half_life_is_learned_with_too() -> None:
    """A hundred samples never have weight at the same time there, so fewer are enough."""
    baselines = Baselines()
    config = BaselineConfig(signal=SIGNAL, better="lower", learn=True, half_life_seconds=60.0)
    baselines.configure((config,))
    observed(baselines, 60, 5.0)
    assert baselines.baseline(SIGNAL) is None
    observed(baselines, 120, 5.0, start=60)
    assert baselines.baseline(SIGNAL) == pytest.approx(5.0, rel=ACCURACY)


def test_what_was_learned_survives_another_document() -> None:
    """A learned baseline is available at once if it is still learned; a stated one takes
    precedence.
    """
    baselines = Baselines()
    config = BaselineConfig(signal=SIGNAL, better="lower", learn=True)
    baselines.configure((config,))
    observed(baselines, 2000, 5.0)
    baselines.configure((config, BaselineConfig(signal="io.l3_queue", better="lower", baseline=3)))
    assert baselines.baseline(SIGNAL) == pytest.approx(5.0, rel=ACCURACY)
    observed(baselines, 20, 5.0, start=2000)
    assert baselines.baseline(SIGNAL) == pytest.approx(5.0, rel=ACCURACY)
    assert baselines.baseline("io.l3_queue") == 3
    assert baselines.target("io.l3_queue") is None
    baselines.configure(())
    assert not baselines.learned
