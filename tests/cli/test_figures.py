"""Figures in a terminal, formatted for people."""

from __future__ import annotations

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.cli import figures
from sidecar.cli.figures import Readings
from sidecar.config.values import MIB
from sidecar.model.change import Size, Value

READINGS = Readings(CATALOGUE.signals)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.000049, "49 µs"),
        (0.0012, "1.2 ms"),
        (0.25, "250 ms"),
        (1.5, "1.5 s"),
        (59.6, "59.6 s"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (90_061, "1 d 1 h"),
    ],
)
def test_a_length_of_time_has_two_units_at_most(seconds: float, shown: str) -> None:
    assert figures.span(seconds) == shown


@pytest.mark.parametrize(
    ("signal", "value", "shown"),
    [
        ("cache.hit_ratio", 0.4123, "41.2%"),
        ("http.get_p99_seconds", 0.0123, "12.3 ms"),
        ("memory.resident_bytes", 1.5 * MIB, "1.5 MiB"),
        ("io.read_bytes_per_second", 2048.0, "2 KiB/s"),
        ("cache.l2.evictions_per_second", 12_345.6, "12,346/s"),
        ("gc.tracked_objects", 123_456.0, "123,456"),
        ("of.a.newer.version", 0.125, "0.125"),
        ("cache.hit_ratio", None, "no value"),
    ],
)
def test_a_reading_has_the_unit_of_its_signal(signal: str, value: float | None, shown: str) -> None:
    assert READINGS.reading(signal, value) == shown


def test_two_shares_differ_by_points() -> None:
    """1% of noise could be read as a hundredth of the hit ratio."""
    assert READINGS.spread("cache.hit_ratio", 0.0123) == "1.23 points"
    assert READINGS.spread("http.get_p99_seconds", 0.002) == "2 ms"


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        ("cache.l2.fill", 0.951, "cache.l2.fill = 95.1%"),
        ('mean(cache.hit_ratio, "5m")', 0.5, 'mean(cache.hit_ratio, "5m") = 50.0%'),
        ("target.http.get_p99_seconds", 0.002, "target.http.get_p99_seconds = 2 ms"),
        (
            'rate(memory.resident_bytes, "10m")',
            2048.0,
            'rate(memory.resident_bytes, "10m") = 2 KiB each second',
        ),
        ("baseline.cpu.pressure", None, "baseline.cpu.pressure = no value"),
    ],
)
def test_what_a_condition_is_made_of_has_the_unit_of_its_signal(
    text: str, value: float | None, shown: str
) -> None:
    assert READINGS.operand(text, value) == shown


@pytest.mark.parametrize(
    ("knob", "value", "shown"),
    [
        ("tiers.l2.size", Size(1000, 100 * MIB), "1,000 entries, 100 MiB"),
        ("tiers.l2.policy", "sieve", "sieve"),
        ("default_ttl", 3600.0, "1 h"),
        ("default_ttl", None, "never"),
        ("l3.write_bytes_per_second", float(MIB), "1 MiB/s"),
        ("l3.write_bytes_per_second", None, "unlimited"),
        ("background.pace", 0.5, "50.0%"),
        ("network.keepalive_seconds", 75.0, "1 min 15 s"),
        ("gc.threshold", 20_000, "20,000"),
    ],
)
def test_a_knob_says_what_its_number_means(knob: str, value: Value | None, shown: str) -> None:
    assert figures.knob(knob, value) == shown
