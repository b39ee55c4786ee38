"""Traces of requests, and their results under a policy."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from random import Random

from sidecar.policies.protocol import NEVER, Policy


def letters(trace: str) -> list[bytes]:
    """Keys written as letters: "A B A" requests A, B and A again."""
    return [letter.encode() for letter in trace.split()]


def zipf(seed: int, *, requests: int, keys: int, skew: float = 0.9) -> list[bytes]:
    """Independent requests; the frequency of the i-th most popular key is ~ 1 / i**skew."""
    weights = accumulate(1 / rank**skew for rank in range(1, keys + 1))
    ranks = Random(seed).choices(range(keys), cum_weights=list(weights), k=requests)
    return [b"key:%d" % rank for rank in ranks]


def replay(policy: Policy, trace: Iterable[bytes], entries: int) -> str:
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


def hit_ratio(policy: Policy, trace: Iterable[bytes], entries: int) -> float:
    """The share of hits, from 0 to 1."""
    results = replay(policy, trace, entries)
    return results.count("h") / len(results)


def insert(policy: Policy, keys: Iterable[bytes]) -> None:
    """Insert keys that never expire."""
    for key in keys:
        policy.insert(key, NEVER)


def drain(policy: Policy) -> list[bytes]:
    """Evict every key; the keys in the order of eviction."""
    return [policy.evict() for _ in range(len(policy))]
