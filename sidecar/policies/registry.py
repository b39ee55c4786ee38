"""The registry of eviction policies, by name."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from sidecar.config.values import MemoryTierConfig, TierConfig
from sidecar.model.named import by_name
from sidecar.policies.protocol import Policy
from sidecar.policies.spec import PolicySpec, import_score

_KEYS_OF_TIERS = frozenset(field.name for field in fields(MemoryTierConfig))


class UnknownPolicyError(LookupError):
    """No policy has this name; `known` are the valid names."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"unknown policy {name!r}; known are {', '.join(known)}")
        self.name = name
        self.known = known


class Policies(Mapping[str, PolicySpec]):
    """Policies by name, in the order of the documentation.

    Raises ValueError for a duplicate name, for an option that two policies declare differently, and
    for a score that cannot be imported.
    """

    def __init__(self, specs: Iterable[PolicySpec]) -> None:
        self._specs = by_name("policies", specs)
        self.scores = {spec.name: spec.score for spec in self.values() if spec.score is not None}
        """The policies that L3 can use, with the import paths of their scores."""
        for path in self.scores.values():
            _check_importable(path)
        _check_options(self.values())

    def __getitem__(self, name: str) -> PolicySpec:
        return self._specs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def make(
        self, name: str, capacity: int, *, rng: random.Random, **options: float
    ) -> Policy[Any]:
        """Make the policy `name` for a tier of `capacity` entries.

        Raises UnknownPolicyError, and TypeError for an option that the policy does not have.
        """
        if name not in self:
            raise UnknownPolicyError(name, tuple(sorted(self)))
        return self[name].make(capacity, rng=rng, **options)

    def make_for(self, tier: TierConfig) -> Policy[Any]:
        """The policy in a tier's configuration, with its own random generator."""
        rng = random.Random()  # noqa: S311  (for evictions, not for secrets)
        return self.make(tier.policy, tier.max_entries, rng=rng, **tier.policy_options)


def _check_importable(path: str) -> None:
    try:
        import_score(path)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ValueError(f"the score {path} cannot be imported: {error}") from error


def _check_options(specs: Iterable[PolicySpec]) -> None:
    """Options are keys next to those of the tier, so a name must have one meaning."""
    declared = [option for spec in specs for option in spec.options]
    by_name = {option.name: option for option in declared}
    for option in declared:
        if option.name in _KEYS_OF_TIERS:
            raise ValueError(f"the option {option.name} has the name of a key of every tier")
        if option != by_name[option.name]:
            raise ValueError(f"the option {option.name} is declared in two ways")
