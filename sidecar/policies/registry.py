"""The policies by name. A registry is a mapping that is handed on: plugins add to a copy of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

from sidecar.policies.fifo import Fifo
from sidecar.policies.lfu import Lfu
from sidecar.policies.lru import Lru
from sidecar.policies.protocol import Policy
from sidecar.policies.random import Random
from sidecar.policies.s3fifo import S3Fifo
from sidecar.policies.sieve import Sieve
from sidecar.policies.ttl import Ttl
from sidecar.policies.w_tinylfu import WTinyLfu

Factory = Callable[..., Policy]
"""Makes a policy for `capacity` entries, with `rng=` as its only source of chance; further keywords
are the policy's own options."""


class UnknownPolicyError(LookupError):
    """No policy has this name; `known` are the names there are."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"unknown policy {name!r}; known are {', '.join(known)}")
        self.name = name
        self.known = known


def _w_tinylfu(capacity: int, *, rng: random.Random, window: float = 0.01) -> Policy:
    return WTinyLfu(rng, window)


POLICIES: Mapping[str, Factory] = MappingProxyType(
    {
        Lru.name: lambda capacity, *, rng: Lru(),
        Lfu.name: lambda capacity, *, rng: Lfu(),
        Fifo.name: lambda capacity, *, rng: Fifo(),
        Ttl.name: lambda capacity, *, rng: Ttl(),
        Random.name: lambda capacity, *, rng: Random(rng),
        Sieve.name: lambda capacity, *, rng: Sieve(),
        S3Fifo.name: lambda capacity, *, rng: S3Fifo(),
        WTinyLfu.name: _w_tinylfu,
    }
)
"""The policies that come with the sidecar. None of them needs the capacity: they go by what they
hold. It is for policies that have to size something ahead."""


def create(
    name: str,
    capacity: int,
    registry: Mapping[str, Factory] = POLICIES,
    /,
    *,
    rng: random.Random,
    **options: float,
) -> Policy:
    """Make the policy `name` for a tier of `capacity` entries.

    Raises UnknownPolicyError, and TypeError for an option that the policy does not have.
    """
    try:
        factory = registry[name]
    except KeyError:
        raise UnknownPolicyError(name, tuple(sorted(registry))) from None
    return factory(capacity, rng=rng, **options)
