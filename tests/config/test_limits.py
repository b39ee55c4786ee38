"""Stated sizes must fit; defaults are reduced to fit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.errors import InvalidDocument
from sidecar.config.limits import L3_SPARE_BYTES, largest_l3_bytes
from sidecar.config.memory import (
    ALONE_BYTES,
    IDLE_BYTES,
    REQUEST_VALUES,
    RESIDENT_SHARE,
    least_limit_bytes,
    most_in_memory,
    plan,
)
from sidecar.config.values import GIB, KIB, MIB, CacheConfig, TiersConfig

VOCABULARY = CATALOGUE.vocabulary


def cache(text: str, memory: int | None = None, data: int | None = None) -> CacheConfig:
    """A cache.yaml under the limits."""
    document = parse(
        {"cache.yaml": text},
        vocabulary=VOCABULARY,
        memory_limit_bytes=memory,
        data_limit_bytes=data,
    )
    return document.cache


def tiers(text: str, memory: int | None = None, data: int | None = None) -> TiersConfig:
    """Its tiers."""
    return cache(text, memory, data).tiers


def mistakes(text: str, memory: int | None = None, data: int | None = None) -> list[str]:
    """The errors of a cache.yaml under the limits."""
    with pytest.raises(InvalidDocument) as caught:
        tiers(text, memory, data)
    return [str(error) for error in caught.value.errors]


def test_limits_that_are_far_away_change_nothing() -> None:
    """With enough room, the defaults are the documented ones."""
    assert tiers("", memory=GIB, data=4 * GIB) == TiersConfig()
    assert tiers("") == TiersConfig()


def test_stated_sizes_may_take_what_the_processes_leave() -> None:
    """The sum of L1 and L2 is compared with that, to the byte."""
    text = "tiers: {{l1: {{max_bytes: 10MiB}}, l2: {{max_bytes: {}}}}}"
    most = most_in_memory(256 * MIB, with_l3=True)
    assert tiers(text.format(most - 10 * MIB), memory=256 * MIB).l2.max_bytes == most - 10 * MIB
    assert mistakes(text.format("120MiB"), memory=256 * MIB) == [
        "cache.yaml:1: tiers.l2.max_bytes: max_bytes above the memory limit of the container: 10MiB"
        " of l1 and 120MiB of l2 are more than the 127MiB that a limit of 256MiB leaves for them;"
        " lower them, or raise the limit"
    ]


def test_a_tier_that_is_off_takes_no_room() -> None:
    """The size of a disabled tier is neither rejected nor counted."""
    text = "tiers: {l2: {enabled: false, max_bytes: 9GiB}, l3: {enabled: false, max_bytes: 9GiB}}"
    assert tiers(text, memory=200 * MIB, data=MIB).l1.max_bytes == 10 * MIB


def test_the_larger_tier_is_the_one_to_blame() -> None:
    """The error is at the size whose change has the largest effect."""
    text = "tiers:\n  l1: {max_bytes: 2GiB}\n  l2: {max_bytes: 1MiB}\n"
    assert mistakes(text, memory=GIB)[0].startswith("cache.yaml:2: tiers.l1.max_bytes: ")


def test_a_limit_is_checked_although_another_field_is_wrong() -> None:
    """All errors are reported at once, including those of the limits."""
    text = "tiers: {l1: {max_bytes: 2GiB, policy: none}, l3: {max_bytes: 2GiB}}\nspeed: 1"
    assert len(mistakes(text, memory=GIB, data=GIB)) == 4


def test_an_l3_that_does_not_fit_is_told_the_largest_that_does() -> None:
    """RocksDB's worst case counts: twice the live bytes, plus 64 MiB."""
    assert "write at most 480MiB" in mistakes("tiers: {l3: {max_bytes: 1GiB}}", data=GIB)[0]
    assert tiers("tiers: {l3: {max_bytes: 480MiB}}", data=GIB).l3.max_bytes == 480 * MIB


@pytest.mark.parametrize("text", ["max_bytes: 1MiB", "enabled: true"])
def test_where_no_l3_fits_at_all_the_operator_is_told_to_switch_it_off(text: str) -> None:
    """A stated L3 is never disabled silently."""
    [mistake] = mistakes(f"tiers: {{l3: {{{text}}}}}", data=64 * MIB)
    assert "disable l3 with enabled: false, or raise the data limit" in mistake


def test_defaults_in_memory_shrink_in_proportion() -> None:
    """L2 stays ten times as large as L1."""
    fitted = tiers("", memory=128 * MIB)
    assert fitted.l2.max_bytes // MIB == 11
    assert fitted.l1.max_bytes == pytest.approx(fitted.l2.max_bytes / 10, abs=KIB)


def test_a_default_takes_what_the_stated_sizes_leave() -> None:
    """A stated L1 keeps its size, and the L2 without a stated size is reduced."""
    fitted = tiers("tiers: {l1: {max_bytes: 32MiB}, l2: {policy: lru}}", memory=160 * MIB)
    assert fitted.l1.max_bytes == 32 * MIB
    assert 0 < fitted.l2.max_bytes < 16 * MIB


def test_little_memory_limits_values_and_then_goes_without_l3() -> None:
    """Values are limited to a mebibyte at the least; a stated L3 is never disabled silently."""
    assert cache("", memory=321 * MIB).max_value_bytes == 8 * MIB
    assert MIB < cache("", memory=128 * MIB).max_value_bytes < 8 * MIB
    assert cache("", memory=96 * MIB).tiers.l3.enabled
    assert not cache("", memory=96 * MIB - 1).tiers.l3.enabled
    assert cache("", memory=least_limit_bytes()).max_value_bytes >= MIB
    [mistake] = mistakes("tiers: {l3: {enabled: true}}", memory=64 * MIB)
    assert "L3 needs a memory limit of 96MiB, and this container has 64MiB" in mistake


@given(st.integers(least_limit_bytes(), 1 << 40), st.booleans())
def test_everything_fits_the_limit_together(memory: int, l3: bool) -> None:
    """Processes, tiers with their real cost, L3 and four requests with the largest value."""
    fitted = cache("" if l3 else "tiers: {l3: {enabled: false}}", memory=memory)
    parts = plan(fitted, memory)
    held = sum(tier.max_bytes for tier in (fitted.tiers.l1, fitted.tiers.l2))
    idle = IDLE_BYTES if fitted.tiers.l3.enabled else ALONE_BYTES
    assert idle + held * RESIDENT_SHARE + parts.l3 + parts.requests <= memory * 15 / 16 + 2
    assert parts.requests >= REQUEST_VALUES * fitted.max_value_bytes


def test_a_default_l3_shrinks_with_the_volume_and_is_off_without_one() -> None:
    """If the volume is too small for RocksDB, the cache is in memory; that is not an error."""
    assert tiers("", data=GIB).l3.max_bytes == 480 * MIB
    assert not tiers("", data=64 * MIB).l3.enabled
    assert not tiers("tiers: {l3: {policy: lru}}", data=MIB).l3.enabled


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 50))
@settings(deadline=None)  # a noisy machine is no failure
def test_defaults_fit_whatever_the_limits(memory: int, data: int) -> None:
    """Without a document, nothing is rejected and nothing exceeds its limit."""
    fitted = tiers("", memory, data)
    l1, l2, l3 = fitted.l1, fitted.l2, fitted.l3
    assert l1.max_bytes > 0
    assert l2.max_bytes > 0
    assert l1.max_bytes + l2.max_bytes <= memory // 2 + 2  # a tier has a byte at least
    assert not l3.enabled or 2 * l3.max_bytes + L3_SPARE_BYTES <= data


@given(st.integers(0, 1 << 50), st.integers(1, 1 << 50))
def test_an_l3_is_taken_exactly_where_it_fits(data: int, max_bytes: int) -> None:
    """The largest size, which the error names, is accepted, and one byte more is not."""
    assert (2 * max_bytes + L3_SPARE_BYTES <= data) == (max_bytes <= largest_l3_bytes(data))
