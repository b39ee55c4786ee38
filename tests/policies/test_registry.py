"""The registry of policies by name."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.policies import lru, w_tinylfu
from sidecar.policies.registry import Policies, UnknownPolicyError


def test_every_policy_goes_by_the_name_it_is_listed_under() -> None:
    """The name in the registry is the one in metrics and in the configuration."""
    for name in CATALOGUE.policies:
        assert CATALOGUE.policies.make(name, 10, rng=Random(1)).name == name


def test_the_promised_policies_are_there() -> None:
    """These names are part of the configuration's contract."""
    assert set(CATALOGUE.policies) == {
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
    """The error has both, for people and for programs."""
    with pytest.raises(UnknownPolicyError, match=re.escape("'lur'; known are fifo, lfu")) as error:
        CATALOGUE.policies.make("lur", 10, rng=Random(1))
    assert error.value.name == "lur"
    assert error.value.known == tuple(sorted(CATALOGUE.policies))


def test_policies_can_be_extended_without_touching_the_original() -> None:
    """An extended registry is a separate value."""
    mine = replace(lru.SPEC, name="mine")
    extended = Policies([*CATALOGUE.policies.values(), mine])
    assert isinstance(extended.make("mine", 10, rng=Random(1)), lru.Lru)
    assert "mine" not in CATALOGUE.policies


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "two policies are named lru"),
        ({"name": "mine", "score": "sidecar.policies.lru:absent"}, "cannot be imported"),
        ({"name": "mine", "score": "sidecar.absent:score"}, "cannot be imported"),
        ({"name": "mine", "score": "sidecar.policies.lru:__doc__"}, "it is not a function"),
        (
            {"name": "mine", "options": (replace(w_tinylfu.WINDOW, default=0.5),)},
            "the option window is declared in two ways",
        ),
        (
            {"name": "mine", "options": (replace(w_tinylfu.WINDOW, name="enabled"),)},
            "the option enabled has the name of a key of every tier",
        ),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused(changes: dict[str, Any], why: str) -> None:
    """The catalogue rejects it, instead of the process of L3."""
    with pytest.raises(ValueError, match=why):
        Policies([*CATALOGUE.policies.values(), replace(lru.SPEC, **changes)])


def test_an_option_that_the_policy_does_not_have_is_an_error() -> None:
    """Otherwise a misspelt option would go unnoticed."""
    with pytest.raises(TypeError, match="window"):
        CATALOGUE.policies.make("lru", 10, rng=Random(1), window=0.2)
