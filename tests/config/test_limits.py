"""Stated sizes must fit; defaults are reduced to fit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.catalogue import CATALOGUE
from sidecar.config.document import parse
from sidecar.config.errors import InvalidDocument
from sidecar.config.limits import L3_SPARE_BYTES, largest_l3_bytes
from sidecar.config.values import GIB, MIB, TiersConfig

VOCABULARY = CATALOGUE.vocabulary


def tiers(text: str, memory: int | None = None, data: int | None = None) -> TiersConfig:
    """The tiers of a cache.yaml under the limits."""
    document = parse(
        {"cache.yaml": text},
        vocabulary=VOCABULARY,
        memory_limit_bytes=memory,
        data_limit_bytes=data,
    )
    return document.cache.tiers


def mistakes(text: str, memory: int | None = None, data: int | None = None) -> list[str]:
    """The errors of a cache.yaml under the limits."""
    with pytest.raises(InvalidDocument) as caught:
        tiers(text, memory, data)
    return [str(error) for error in caught.value.errors]


def test_limits_that_are_far_away_change_nothing() -> None:
    """With enough room, the defaults are the documented ones."""
    assert tiers("", memory=GIB, data=4 * GIB) == TiersConfig()
    assert tiers("") == TiersConfig()


def test_stated_sizes_may_fill_the_memory_but_not_exceed_it() -> None:
    """The sum of L1 and L2 is compared with the limit, to the byte."""
    text = "tiers: {l1: {max_bytes: 10MiB}, l2: {max_bytes: 90MiB}}"
    assert tiers(text, memory=100 * MIB).l2.max_bytes == 90 * MIB
    assert mistakes(text, memory=100 * MIB - 1) == [
        "cache.yaml:1: tiers.l2.max_bytes: max_bytes above the memory limit of the container: 10MiB"
        " of l1 and 90MiB of l2 are more than 104857599; lower them, or raise the limit"
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


def test_defaults_in_memory_shrink_in_proportion_to_half_of_it() -> None:
    """In a container of 110 MiB the tiers get 55: the interpreter needs the rest."""
    fitted = tiers("", memory=110 * MIB)
    assert (fitted.l1.max_bytes, fitted.l2.max_bytes) == (5 * MIB, 50 * MIB)


def test_a_default_takes_at_most_half_of_what_the_stated_sizes_leave() -> None:
    """A stated L1 keeps its size, and the L2 without a stated size is reduced."""
    fitted = tiers("tiers: {l1: {max_bytes: 64MiB}, l2: {policy: lru}}", memory=128 * MIB)
    assert (fitted.l1.max_bytes, fitted.l2.max_bytes) == (64 * MIB, 32 * MIB)


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
