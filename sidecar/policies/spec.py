"""What a policy declares about itself. Its file ends with it, and the catalogue lists it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from sidecar.model.metadata import Metadata
from sidecar.model.option import Option
from sidecar.policies.protocol import Policy

Trait = Literal["reads", "expiry", "chance", "scan_resistant"]
"""`reads`: a read changes who leaves first. `expiry`: so does the expiry. `chance`: so does the
generator handed in. `scan_resistant`: keys that are read often survive a scan. The contract suite
asserts that a policy has the traits that it states, and none of the first three without."""

Score = Callable[[Metadata], float | tuple[float, float]]
"""The entry with the lowest score leaves L3 first."""

Factory = Callable[..., Policy]
"""Makes a policy for `capacity` entries, with `rng=` as its only source of chance; further keywords
are the policy's options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySpec:
    """A policy, as the configuration, the tiers and the documentation know it."""

    name: str
    meaning: str
    """What it evicts first, as the documentation has it."""
    make: Factory
    traits: frozenset[Trait] = frozenset()
    options: tuple[Option, ...] = ()
    score: str | None = None
    """The import path of a Score (`package.module:name`), by which L3 can use the policy: L3 is
    another process, which imports it. None where stored metadata cannot decide the order."""
    check: Callable[[Any], None] | None = None
    """Raises AssertionError where the policy's own structures disagree, in O(n): for tests."""


def import_score(path: str) -> Score:
    """The score at an import path. Raises ImportError, AttributeError, ValueError or TypeError."""
    module, _, name = path.partition(":")
    found = getattr(import_module(module), name)
    if not callable(found):
        raise TypeError("it is not a function")
    score: Score = found
    return score
