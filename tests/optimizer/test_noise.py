"""Thresholds from pairs, calculated by hand."""

from __future__ import annotations

import random

import pytest

from sidecar.optimizer.noise import LEAST_PAIRS, MOST_PAIRS, Pairs


def pairs_of(*pairs: tuple[float, float]) -> Pairs:
    found = Pairs()
    for now, (before, after) in enumerate(pairs):
        found.add(before, after, float(now))
    return found


def test_one_of_the_fewest_pairs_may_lie_beyond_the_quantile() -> None:
    """The largest of forty differences is ignored; the second largest is the bound."""
    pairs = pairs_of(*[(0.0, float(number)) for number in range(1, LEAST_PAIRS + 1)])
    assert pairs.threshold().difference == LEAST_PAIRS - 1


def test_a_return_to_the_mean_is_expected() -> None:
    """For independent windows: after a bad one, an average one is not a success."""
    rng = random.Random(1)
    pairs = pairs_of(*[(rng.gauss(0, 1), rng.gauss(0, 1)) for _ in range(MOST_PAIRS)])
    threshold = pairs.threshold()
    assert threshold.slope == pytest.approx(0, abs=0.1)
    assert threshold.difference < 4
    assert not threshold.exceeded(-4.0, 0.0)
    assert threshold.exceeded(0.0, 4.0)


def test_pairs_without_any_spread_expect_what_was_before() -> None:
    """The signal is constant, so any difference exceeds the noise."""
    threshold = pairs_of(*[(3.0, 3.0)] * 50).threshold()
    assert (threshold.slope, threshold.intercept) == (1.0, 0.0)
    assert not threshold.exceeded(3.0, 3.0)
    assert threshold.exceeded(3.0, 3.1)


def test_old_pairs_are_forgotten_by_number_and_by_age() -> None:
    """Old pairs describe another load."""
    pairs = pairs_of(*[(0.0, 100.0)] * 50, *[(0.0, 1.0)] * MOST_PAIRS)
    assert len(pairs) == MOST_PAIRS
    assert pairs.threshold().difference == 1.0
    pairs.forget(50.0 + MOST_PAIRS - 10)
    assert len(pairs) == 10


def test_no_pairs_bound_nothing() -> None:
    """Without a threshold, none can be exceeded by mistake."""
    with pytest.raises(ValueError, match="there are no pairs"):
        Pairs().threshold()
