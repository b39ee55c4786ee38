"""Policies by name."""

from __future__ import annotations

import re
from random import Random

import pytest

from sidecar.policies.lru import Lru
from sidecar.policies.registry import POLICIES, UnknownPolicyError, create


def test_every_policy_goes_by_the_name_it_is_listed_under() -> None:
    """The name in the registry is the one in metrics and in the configuration."""
    for name in POLICIES:
        assert create(name, 10, rng=Random(1)).name == name


def test_the_promised_policies_are_there() -> None:
    """These names are part of the configuration's contract."""
    assert set(POLICIES) == {
        "lru",
        "lfu",
        "fifo",
        "ttl",
        "random",
        "sieve",
        "s3fifo",
        "w_tinylfu",
    }


def test_an_unknown_name_is_told_the_known_ones() -> None:
    """The error carries both, for a person and for a program."""
    with pytest.raises(UnknownPolicyError, match=re.escape("'lur'; known are fifo, lfu")) as error:
        create("lur", 10, rng=Random(1))
    assert error.value.name == "lur"
    assert error.value.known == tuple(sorted(POLICIES))


def test_a_registry_can_be_extended_without_touching_the_original() -> None:
    """A plugin's policy lives in a mapping of its own."""
    extended = {**POLICIES, "mine": lambda capacity, *, rng: Lru()}
    assert isinstance(create("mine", 10, extended, rng=Random(1)), Lru)
    assert "mine" not in POLICIES


def test_an_option_that_the_policy_does_not_have_is_an_error() -> None:
    """It is not swallowed: a misspelt option would go unnoticed."""
    with pytest.raises(TypeError, match="window"):
        create("lru", 10, rng=Random(1), window=0.2)
