"""Background work pauses in proportion to the time that it takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.config.knobs import Tuning
from sidecar.config.values import CacheConfig
from sidecar.store.pace import rest_seconds
from sidecar.store.store import LEAST_PACE
from sidecar.store.upkeep import SWEEP_KEYS, sweep
from tests.app.turning import small
from tests.store.harness import Harness


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    started = Harness(tmp_path / "db", small(l1={"max_entries": 10_000}), seed=1)
    yield started
    started.close()


def test_rest_makes_up_for_the_pace() -> None:
    """At a pace of a quarter, three parts of pause follow one of work; at full pace, none."""
    assert rest_seconds(0.2, 0.25) == pytest.approx(0.6)
    assert rest_seconds(0.2, 1.0) == 0.0
    assert rest_seconds(0.2, 2.0) == 0.0


def test_a_sweep_rests_after_every_slice(harness: Harness) -> None:
    """The pause follows the current pace, and always ends."""
    store = harness.store
    for n in range(2 * SWEEP_KEYS):
        harness.run(store.put(b"ns/%d" % n, b"", "text/plain", math.inf))
    rests: list[float] = []

    async def rest(worked_seconds: float, pace: float) -> None:
        assert worked_seconds >= 0
        rests.append(pace)
        store.apply(store.config, Tuning(background_pace=0.0))

    store.apply(CacheConfig(tiers=store.config.tiers), Tuning(background_pace=0.5))
    harness.run(sweep(store, rest))
    assert rests == [0.5, LEAST_PACE]
