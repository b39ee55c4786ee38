"""How policies rank on popularity alone: independent requests, drawn from a Zipf distribution."""

from __future__ import annotations

from random import Random

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.testing.traces import Keyed, hit_ratio, zipf

ENTRIES = 200


@pytest.fixture(scope="module", params=[1, 2])
def ratios(request: pytest.FixtureRequest) -> dict[str, float]:
    """Hit ratio by policy, 60,000 requests for 4,000 keys; the seed is the parameter."""
    trace = zipf(request.param, requests=60_000, keys=4_000)
    return {
        name: hit_ratio(
            Keyed(CATALOGUE.policies.make(name, ENTRIES, rng=Random(request.param))), trace, ENTRIES
        )
        for name in sorted(CATALOGUE.policies)
    }


def test_lru_beats_fifo(ratios: dict[str, float]) -> None:
    """For independent requests, recency beats arrival (van den Berg, Gandolfi, 1992)."""
    assert ratios["lru"] > ratios["fifo"] + 0.01


def test_random_equals_fifo(ratios: dict[str, float]) -> None:
    """For independent requests, both have the same hit ratio (Gelenbe, 1973)."""
    assert ratios["random"] == pytest.approx(ratios["fifo"], abs=0.01)


@pytest.mark.parametrize("name", ["lfu", "sieve", "s3fifo", "w_tinylfu"])
def test_frequency_beats_recency(ratios: dict[str, float], name: str) -> None:
    """With constant popularity, counting uses helps."""
    assert ratios[name] > ratios["lru"] + 0.03


def test_nothing_beats_knowing_the_distribution(ratios: dict[str, float]) -> None:
    """Always keeping the most popular keys gives the best average hit ratio."""
    weights = [1 / rank**0.9 for rank in range(1, 4_001)]
    assert max(ratios.values()) < sum(weights[:ENTRIES]) / sum(weights)


def test_ttl_is_fifo_when_nothing_expires(ratios: dict[str, float]) -> None:
    """Entries with equal expiries leave in order of arrival."""
    assert ratios["ttl"] == ratios["fifo"]
