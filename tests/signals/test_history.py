"""Signals over spans of time, computed from raw readings."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.catalogue import CATALOGUE
from sidecar.model.stats import LATENCY_BOUNDS
from sidecar.signals.history import MOST_SORTED_AT_ONCE, History
from sidecar.signals.signal import bucket_names


def test_a_ratio_over_a_window_is_a_ratio_of_sums() -> None:
    """90 of 100, then 0 of 900: 9 %, not the mean of 90 % and 0 %."""
    history = History(CATALOGUE.signals)
    hits = lookups = 0
    for at, (hit, asked) in enumerate([(0, 0), (90, 100), (0, 900)]):
        hits, lookups = hits + hit, lookups + asked
        history.push(at, {"cache.hits": hits, "cache.lookups": lookups})
    assert history.over("cache.hit_ratio", 0, 2) == pytest.approx(0.09)


def test_a_ratio_of_too_few_is_none() -> None:
    """Three lookups are too few for a hit ratio."""
    history = History(CATALOGUE.signals)
    for at in range(4):
        history.push(at, {"cache.hits": at, "cache.lookups": at})
    assert history.over("cache.hit_ratio", 0, 3) is None


def test_a_gauge_is_a_mean_and_now_its_last_reading() -> None:
    history = History(CATALOGUE.signals)
    for at, value in enumerate([0.2, 0.4, 0.9]):
        history.push(at, {"memory.utilization": value})
    assert history.over("memory.utilization", 0, 2) == pytest.approx(0.5)
    assert history.last("memory.utilization", 10) == 0.9


def test_a_counter_that_starts_anew_loses_nothing() -> None:
    """A restarted process counts from zero: earlier counts are kept."""
    history = History(CATALOGUE.signals)
    for at, value in enumerate([0, 100, 200, 5, 105]):
        history.push(at, {"io.read_bytes": value})
    assert history.over("io.read_bytes_per_second", 0, 4) == pytest.approx(300 / 4)


def test_a_reading_that_is_missing_is_unavailable() -> None:
    """It is not zero; a reading with gaps counts where it is available."""
    history = History(CATALOGUE.signals)
    for at in range(10):
        history.push(at, {"cpu.stalled_seconds": at / 10} if at != 5 else {})
    assert history.over("memory.pressure", 0, 9) is None
    assert history.last("memory.utilization", 10) is None
    assert history.over("cpu.pressure", 0, 9) == pytest.approx(0.1)
    assert history.over("cpu.pressure", 5, 9) is None


def test_a_quantile_is_interpolated_in_its_bucket() -> None:
    """100 requests, all in the bucket of 100 to 250 microseconds: the median is its middle."""
    history = History(CATALOGUE.signals)
    names = bucket_names("http.get")
    bucket = LATENCY_BOUNDS.index(0.00025)
    for at, count in enumerate([0, 100]):
        readings = dict.fromkeys(names, 0.0)
        readings[names[bucket]] = count
        history.push(at, readings)
    assert history.over("http.get_p50_seconds", 0, 1) == pytest.approx(0.000175)


def test_a_gap_is_no_window() -> None:
    """Readings that cover less than half of a span give no value."""
    history = History(CATALOGUE.signals)
    for at in (0, 1, 2, 58, 59, 60):
        history.push(at, {"memory.utilization": 0.5})
    assert history.over("memory.utilization", 3, 60) is None
    assert history.over("memory.utilization", 0, 60) == 0.5


def test_it_reaches_back_for_its_span_and_no_further() -> None:
    """Of a day, the last hour and a little more is kept."""
    history = History(CATALOGUE.signals, span_seconds=3600)
    for at in range(10_000):
        history.push(at, {"memory.utilization": at})
    assert 3600 <= history.last_at - history.first_at < 4200
    assert history.over("memory.utilization", 6400, 6410) == 6405


def test_quantile_and_slope_of_the_last_seconds() -> None:
    """A gauge rises by one per second."""
    history = History(CATALOGUE.signals)
    for at in range(101):
        history.push(at, {"network.connections": at})
    assert history.quantile("network.connections", 0.95, 100) == 95
    assert history.slope("network.connections", 100) == pytest.approx(1, rel=0.02)


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=30))
def test_counters_never_shrink(values: list[float]) -> None:
    """The rate is never negative, for any behaviour of the source."""
    history = History(CATALOGUE.signals)
    for at, value in enumerate(values):
        history.push(at, {"network.requests": value})
    rate = history.over("network.requests_per_second", 0, len(values))
    assert rate is not None
    assert 0 <= rate < math.inf


def test_the_table_names_every_signal_once() -> None:
    """Dotted names with their groups; the unit of a ratio is `ratio`."""
    assert all(name == signal.name for name, signal in CATALOGUE.signals.items())
    assert all(
        "." in signal.name and signal.meaning.endswith((".", ")"))
        for signal in CATALOGUE.signals.values()
    )
    history = History(CATALOGUE.signals)
    assert set(history.readings) > set(history.gauges)


def test_new_windows_are_begun_over_several_readings() -> None:
    """Each takes time, and all that a new document brings would stop the event loop. One that has
    no value yet is unavailable.
    """
    history = History(CATALOGUE.signals)
    for at in range(MOST_SORTED_AT_ONCE):
        history.push(at, {"network.connections": float(at)})
    spans = [float(MOST_SORTED_AT_ONCE - less) for less in range(4)]

    def known() -> int:
        found = [history.quantile("network.connections", 0.95, span) for span in spans]
        return sum(value is not None for value in found)

    counts = []
    for at in range(3):
        counts.append(known())
        history.push(MOST_SORTED_AT_ONCE + at, {"network.connections": 1.0})
    assert counts == sorted(counts)
    assert 0 < counts[0] < len(spans)
    assert known() == len(spans)
