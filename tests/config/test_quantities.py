"""Sizes, durations and percentages: which are valid, and that all are exact."""

from __future__ import annotations

import math
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.config.quantities import (
    LARGEST_SIZE,
    LONGEST_SECONDS,
    format_percent,
    format_size,
    parse_duration,
    parse_percent,
    parse_size,
)

sizes = st.integers(0, LARGEST_SIZE)
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(st.characters(codec=None)),
    st.from_regex(r"\A[0-9]{1,25}(\.[0-9]{1,25})?[KMGTdhms]{0,3}i?B?%?\Z"),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.integers()),
)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("10MiB", 10 << 20),
        ("10Mi", 10 << 20),
        ("1GiB", 1 << 30),
        ("1Gi", 1 << 30),
        ("512KiB", 512 << 10),
        ("512Ki", 512 << 10),
        ("2TiB", 2 << 40),
        ("1.5GiB", 3 << 29),
        ("0.5KiB", 512),
        ("100B", 100),
        ("100", 100),
        (100, 100),
        (0, 0),
        ("1048576TiB", LARGEST_SIZE),
    ],
)
def test_a_size_is_read_in_every_way_it_is_written(text: object, size_bytes: int) -> None:
    """Binary units with or without the B, fractions of whole bytes, and plain numbers."""
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text",
    [
        "10 potatoes",
        "",
        "MiB",
        "10MB",
        "10m",
        "-1",
        -1,
        True,
        1.0,
        "1e3",
        "1_000",
        "٣MiB",
        None,
        [],
    ],
)
def test_what_is_no_size_is_answered_with_an_example(text: object) -> None:
    """The error quotes the value and shows how to write a size."""
    with pytest.raises(ValueError, match=r"is not a size; write for example 100MiB"):
        parse_size(text)


def test_part_of_a_byte_is_no_size() -> None:
    """A fraction must be a whole number of bytes: nothing is rounded silently."""
    with pytest.raises(ValueError, match=r'"0\.3KiB" is not a whole number of bytes'):
        parse_size("0.3KiB")


def test_a_size_above_an_exbibyte_is_a_slip_of_the_hand() -> None:
    """A size that no machine has is rejected, instead of overflowing later."""
    with pytest.raises(ValueError, match="write a smaller size"):
        parse_size(LARGEST_SIZE + 1)


@given(sizes)
def test_a_formatted_size_reads_as_itself(size_bytes: int) -> None:
    """format_size and parse_size are inverse for every size."""
    assert parse_size(format_size(size_bytes)) == size_bytes


@given(sizes, st.sampled_from(["K", "M", "G", "T"]))
def test_a_unit_without_its_b_is_the_same_unit(count: int, unit: str) -> None:
    """Kubernetes' `Mi` is `MiB`."""
    count %= 1 << 20
    assert parse_size(f"{count}{unit}i") == parse_size(f"{count}{unit}iB")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30.0),
        ("1m", 60.0),
        ("1h", 3600.0),
        ("1h30m", 5400.0),
        ("2d", 172_800.0),
        ("1.5h", 5400.0),
        ("1d2h3m4s5ms", 93_784.005),
        ("0s", 0.0),
    ],
)
def test_a_duration_is_read_in_every_way_it_is_written(text: str, seconds: float) -> None:
    """One unit or several, from the longest to the shortest."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "1x", "m", "30m1h", "1m1m", "-1s", "1 h", True, None])
def test_what_is_no_duration_is_answered_with_an_example(text: object) -> None:
    """The error shows how a duration is written."""
    with pytest.raises(ValueError, match=r"is not a duration; write for example 30s or 1h30m$"):
        parse_duration(text)


@pytest.mark.parametrize("number", [60, 0.5])
def test_a_number_without_a_unit_is_answered_with_the_unit(number: float) -> None:
    """It must be clear whether 60 is seconds or milliseconds."""
    with pytest.raises(ValueError, match=rf"^{number} has no unit; write {number}s for seconds$"):
        parse_duration(number)


def test_never_is_taken_only_where_it_is_allowed() -> None:
    """`never` is an infinite lifetime, and an error for a timeout."""
    assert parse_duration("never", never=True) == math.inf
    with pytest.raises(ValueError, match=r'"never" is not a duration'):
        parse_duration("never")
    with pytest.raises(ValueError, match=r"or 1h30m, or never"):
        parse_duration("forever", never=True)


def test_a_duration_above_a_hundred_years_is_answered_with_never() -> None:
    """A million days are meant as no expiry, so the error recommends `never`."""
    with pytest.raises(ValueError, match=r"more than a hundred years; .* or never"):
        parse_duration("1000000d", never=True)


@given(st.integers(0, LONGEST_SECONDS // 2), st.integers(0, 59), st.integers(0, 999))
def test_the_parts_of_a_duration_add_up(minutes: int, seconds: int, milliseconds: int) -> None:
    """Each part counts by its unit, without rounding errors."""
    minutes //= 60
    text = f"{minutes}m{seconds}s{milliseconds}ms"
    assert parse_duration(text) == (minutes * 60_000 + seconds * 1000 + milliseconds) / 1000


@pytest.mark.parametrize(
    ("text", "share"),
    [("20%", 0.2), ("0.5%", 0.005), ("100%", 1.0), ("0%", 0.0), ("12.5%", 0.125)],
)
def test_a_percentage_is_read_as_a_share(text: str, share: float) -> None:
    """From 0 to 1, rounded to the nearest number."""
    assert parse_percent(text) == share


@pytest.mark.parametrize(
    "value", ["20", 20, 0.2, 1, "-5%", "%", "20 %", "1e1%", "20%%", True, None, math.nan]
)
def test_what_is_no_percentage_is_answered_with_an_example(value: object) -> None:
    """This includes a plain number: 1 could mean 1 % or 100 %."""
    with pytest.raises(ValueError, match=r"is not a percentage; write for example 20%$"):
        parse_percent(value)


def test_a_percentage_is_at_most_what_the_field_takes() -> None:
    """100 % unless the field has another maximum; the error states it."""
    with pytest.raises(ValueError, match=r'^"101%" is more than 100%; write at most 100%$'):
        parse_percent("101%")
    assert parse_percent("400%", at_most=10.0) == 4.0
    with pytest.raises(ValueError, match="write at most 1000%"):
        parse_percent("1000.1%", at_most=10.0)


@given(st.integers(0, 1000))
def test_a_formatted_percentage_reads_as_itself(thousandths: int) -> None:
    """format_percent and parse_percent are inverse for usual values."""
    assert parse_percent(format_percent(thousandths / 1000)) == thousandths / 1000


@given(anything, st.booleans())
@settings(deadline=None)  # a noisy machine is no failure
def test_no_value_makes_a_parser_raise_but_a_sentence(value: object, never: bool) -> None:
    """Any value in YAML or a flag is a quantity, or a ValueError with advice."""
    for parse in (parse_size, parse_percent, partial(parse_duration, never=never)):
        sentence = "; write"
        try:
            assert parse(value) >= 0
        except ValueError as error:
            sentence = str(error)
        assert "; write" in sentence
        assert sentence.isprintable()
