"""The declaration of a policy. Each policy's file ends with one, and the catalogue lists it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from sidecar.model.metadata import Metadata
from sidecar.model.option import Option
from sidecar.policies.protocol import Policy

Trait = Literal["reads", "expiry", "chance", "scan_resistant"]
"""`reads`: reads change the order. `expiry`: the expiry changes the order. `chance`: the random
generator changes the order. `scan_resistant`: keys that are read often survive a scan. The contract
suite asserts that a policy has the traits that it declares, and no other of the first three."""

Score = Callable[[Metadata], float | tuple[float, float]]
"""The entry with the lowest score leaves L3 first."""

Factory = Callable[..., Policy[Any]]
"""Makes a policy for `capacity` entries, with `rng=` as its only source of randomness; further
keywords are the policy's options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySpec:
    """A policy as the configuration, the tiers and the documentation use it."""

    name: str
    meaning: str
    """What it evicts first, as the documentation has it."""
    make: Factory
    traits: frozenset[Trait] = frozenset()
    options: tuple[Option, ...] = ()
    score: str | None = None
    """The import path of a Score (`package.module:name`), which L3, another process, imports. None
    if the stored metadata cannot determine the order."""
    check: Callable[[Any], None] | None = None
    """Raises AssertionError if the policy's own structures are inconsistent, in O(n): for tests."""


def import_score(path: str) -> Score:
    """The score at an import path. Raises ImportError, AttributeError, ValueError or TypeError."""
    module, _, name = path.partition(":")
    found = getattr(import_module(module), name)
    if not callable(found):
        raise TypeError("it is not a function")
    score: Score = found
    return score
