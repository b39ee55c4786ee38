"""switch_policy, set_promote_after, warm and stretch_ttl; grow_tier has its own tests."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from pydantic import ValidationError

from sidecar.catalogue import CATALOGUE
from sidecar.config.values import MIB
from sidecar.config.vocabulary import PolicyForm
from sidecar.model.change import OneShot, Turn
from sidecar.testing.situations import DEFAULTS, situation, standing, without
from tests.optimizer.actions.acting import propose, reason, turned_to


def test_a_policy_is_switched_as_stated() -> None:
    """The action declines once the policy is in force."""
    assert propose("switch_policy", situation(), tier="l2", to="sieve") == Turn(
        "tiers.l2.policy", "sieve"
    )
    assert reason(propose("switch_policy", situation(), tier="l2", to="lru")) == (
        "tiers.l2.policy is already lru."
    )


@pytest.mark.parametrize(
    ("tier", "to", "sentence"),
    [
        ("l1", "seive", '"seive" is not a policy of l1; did you mean sieve?'),
        ("l3", "sieve", '"sieve" is not a policy of l3; write one of fifo, lfu, lru, random, ttl'),
    ],
)
def test_a_policy_that_the_tier_does_not_take_is_refused(tier: str, to: str, sentence: str) -> None:
    """The rule is rejected when it is read, with a message that lists the valid policies."""
    with pytest.raises(ValidationError) as refused:
        propose("switch_policy", situation(), tier=tier, to=to)
    [mistake] = refused.value.errors()
    assert mistake["loc"] == ("to",)
    assert str(mistake["ctx"]["error"]) == sentence


def test_a_policy_of_a_plugin_is_one_of_memory() -> None:
    """The vocabulary, which is the context of the validation, has the plugin's policy."""
    options = CATALOGUE.actions["switch_policy"].Options
    written = {"tier": "l1", "to": "mine"}
    known = {**CATALOGUE.vocabulary.policies, "mine": PolicyForm(on_disk=False)}
    vocabulary = replace(CATALOGUE.vocabulary, policies=known)
    options.model_validate(written, context=vocabulary)
    with pytest.raises(ValidationError, match="is not a policy of l3"):
        options.model_validate({**written, "tier": "l3"}, context=vocabulary)


@pytest.mark.parametrize("step", [0.05, 0.5])
def test_promotion_is_as_stated_at_every_level(step: float) -> None:
    """The value goes from two hits to one directly."""
    assert propose("set_promote_after", situation(step=step)) == Turn("promote_after", 1)
    moment = situation(standing({"promote_after": 1}))
    assert reason(propose("set_promote_after", moment)) == "promote_after is already 1."


@pytest.mark.parametrize(("tier", "name"), [("l1", "L1"), ("l2", "L2")])
def test_nothing_is_promoted_without_both_tiers(tier: str, name: str) -> None:
    """The change would have no effect."""
    assert reason(propose("set_promote_after", situation(without(tier)))) == (
        f"{name} is disabled."
    )


def test_memory_is_warmed_where_there_is_room() -> None:
    """At least one tier in memory has room, and L3 is up."""
    assert propose("warm", situation()) == OneShot("warm")
    assert propose("warm", situation(held={"l2": (1000, MIB)})) == OneShot("warm")
    full = {"l1": (100, MIB), "l2": (1000, MIB)}
    assert reason(propose("warm", situation(held=full))) == "Neither L1 nor L2 has room."
    assert reason(propose("warm", situation(l3_state="down"))) == "L3 is down."


def test_lives_are_stretched_to_their_ceiling() -> None:
    """The TTL rises by a quarter of an hour, and never above four times the configured hour."""
    assert propose("stretch_ttl", situation()) == Turn("default_ttl", 4500.0)
    moment = situation(standing({"default_ttl": 14_000.0}), configured=DEFAULTS)
    assert turned_to(propose("stretch_ttl", moment)) == 14_400.0
    moment = situation(standing({"default_ttl": 14_400.0}), configured=DEFAULTS)
    assert reason(propose("stretch_ttl", moment)) == (
        "default_ttl is at its ceiling of 400% of the configured value."
    )


def test_what_never_expires_is_not_stretched() -> None:
    """The action declines if `default_ttl` is `never`."""
    moment = situation(standing({"default_ttl": math.inf}))
    assert reason(propose("stretch_ttl", moment)) == "default_ttl is never, so no entry expires."
