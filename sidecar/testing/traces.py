"""Traces of requests, and their results under a policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from random import Random
from typing import Any

from sidecar.policies.protocol import NEVER, Item, Policy


class Keyed:
    """A policy used by key: a worked trace is about keys, not about the nodes that carry them."""

    def __init__(self, policy: Policy[Item]) -> None:
        self.policy = policy

    def insert(self, key: bytes, expires_at: float = NEVER) -> None:
        self.policy.insert(Item(key, expires_at))

    def hit(self, key: bytes) -> None:
        self.policy.hit(self._node(key))

    def update(self, key: bytes, expires_at: float = NEVER) -> None:
        """Replace the value and the expiry of a key."""
        self.policy.replace(self._node(key), Item(key, expires_at))

    def remove(self, key: bytes) -> None:
        self.policy.remove(self._node(key))

    def evict(self) -> bytes:
        return self.policy.evict().key

    def resize(self, capacity: int) -> None:
        self.policy.resize(capacity)

    def check(self, check: Callable[[Any], None] | None) -> None:
        """Check the policy's own invariants, if it has any."""
        if check is not None:
            check(self.policy)

    def __len__(self) -> int:
        return len(self.policy)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self.policy.get(key) is not None

    def __iter__(self) -> Iterator[bytes]:
        return (node.key for node in self.policy)

    def _node(self, key: bytes) -> Item:
        node = self.policy.get(key)
        if node is None:
            raise KeyError(key)
        return node


def letters(trace: str) -> list[bytes]:
    """Keys written as letters: "A B A" requests A, B and A again."""
    return [letter.encode() for letter in trace.split()]


def zipf(seed: int, *, requests: int, keys: int, skew: float = 0.9) -> list[bytes]:
    """Independent requests; the frequency of the i-th most popular key is ~ 1 / i**skew."""
    weights = accumulate(1 / rank**skew for rank in range(1, keys + 1))
    ranks = Random(seed).choices(range(keys), cum_weights=list(weights), k=requests)
    return [b"key:%d" % rank for rank in ranks]


def replay(policy: Keyed, trace: Iterable[bytes], entries: int) -> str:
    """The result of each request, h for a hit and m for a miss, with at most `entries` held."""
    results = []
    for key in trace:
        if key in policy:
            results.append("h")
            policy.hit(key)
        else:
            results.append("m")
            insert(policy, [key])
            while len(policy) > entries:
                policy.evict()
    return "".join(results)


def hit_ratio(policy: Keyed, trace: Iterable[bytes], entries: int) -> float:
    """The share of hits, from 0 to 1."""
    results = replay(policy, trace, entries)
    return results.count("h") / len(results)


def insert(policy: Keyed, keys: Iterable[bytes]) -> None:
    """Insert keys that never expire."""
    for key in keys:
        policy.insert(key)


def drain(policy: Keyed) -> list[bytes]:
    """Evict every key; the keys in the order of eviction."""
    return [policy.evict() for _ in range(len(policy))]
