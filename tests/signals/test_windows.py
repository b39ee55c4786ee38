"""Moving windows have the same results as summing and sorting all of their readings."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.signals.history import History

GAUGE, RATE = "cpu.loop_lag_seconds", "io.read_bytes_per_second"
COUNTER = "io.read_bytes"


def quantile(values: list[float], share: float) -> float | None:
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


@pytest.mark.parametrize("seed", range(3))
def test_a_quantile_is_that_of_all_readings_in_the_window(seed: int) -> None:
    """With gaps, with missing readings, and after the oldest ones were dropped."""
    rng = random.Random(seed)
    history = History(CATALOGUE.signals, span_seconds=400.0)
    readings: list[tuple[float, float, float]] = []
    at = total = 0.0
    for step in range(3000):
        at += 1.0 if rng.random() < 0.99 else rng.uniform(1, 90)
        value = rng.choice((rng.gauss(0, 1), 0.0, 1.0))
        total += rng.randrange(5)
        missing = rng.random() < 0.05
        history.push(at, {} if missing else {GAUGE: value, COUNTER: total})
        if not missing:
            readings.append((at, value, total))
        if step > 500 and step % 7 == 0:
            window = [value for when, value, _ in readings if when >= at - 300]
            assert history.quantile(GAUGE, 0.95, 300.0) == quantile(window, 0.95)


def test_a_quantile_of_a_rate_is_that_of_its_values_second_by_second() -> None:
    """However long ago the quantile was first requested."""
    rng = random.Random(4)
    history = History(CATALOGUE.signals, span_seconds=400.0)
    totals = [0.0]
    for second in range(2000):
        history.push(float(second), {COUNTER: totals[-1]})
        totals.append(totals[-1] + rng.randrange(100))
        if second > 400 and second % 5 == 0:
            growth = [later - one for one, later in pairwise(totals[second - 300 : second + 1])]
            found = history.quantile(RATE, 0.95, 300.0)
            assert found == quantile(growth, 0.95)
    fresh = history.quantile(RATE, 0.5, 299.0)
    assert fresh == quantile([b - a for a, b in pairwise(totals[-301:-1])], 0.5)


def test_a_mean_is_that_of_all_readings_in_the_span() -> None:
    """For any span, with or without whole blocks of readings in it, to the last digit."""
    rng = random.Random(5)
    history = History(CATALOGUE.signals, span_seconds=1000.0)
    values = [rng.gauss(1e9, 1e-3) for _ in range(4000)]
    for second, value in enumerate(values):
        history.push(float(second), {GAUGE: value})
    for _ in range(500):
        end = rng.randrange(3400, 4000)
        start = end - rng.randrange(1, 400)
        exact = math.fsum(values[start : end + 1]) / (end - start + 1)
        assert history.over(GAUGE, start, end) == pytest.approx(exact, rel=1e-15)


def test_a_missing_reading_spoils_no_mean() -> None:
    """The mean is that of the available readings, in every block."""
    history = History(CATALOGUE.signals)
    for second in range(600):
        history.push(float(second), {} if second % 50 == 7 else {GAUGE: 3.0})
    assert history.over(GAUGE, 0, 599) == 3.0
    assert history.over(GAUGE, 100, 399) == 3.0
