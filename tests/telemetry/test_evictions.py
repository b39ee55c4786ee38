"""Evictions by the policy that chose them, while policies change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sidecar.config.values import CacheConfig
from sidecar.model.entry import Tier
from sidecar.store.snapshot import snapshot
from sidecar.telemetry.cache import CacheCollector
from tests.store.harness import Harness


def test_an_eviction_stays_with_the_policy_that_chose_it(tmp_path: Path) -> None:
    """With any later policy, no counter falls or takes over the evictions of another."""
    config = with_policy("lru")
    harness = Harness(tmp_path, config, seed=1)

    def evict(count: int) -> None:
        for number in range(count):
            key = b"test/%d" % (harness.store.stats.tiers[Tier.L1].evictions * 1000 + number)
            harness.run(harness.store.put(key, b"v", "text/plain", 3600.0))

    def counted() -> dict[str, float]:
        families = CacheCollector(lambda: snapshot(harness.store)).collect()
        evictions = next(each for each in families if each.name.endswith("evictions"))
        return {
            sample.labels["policy"]: sample.value
            for sample in evictions.samples
            if sample.labels["tier"] == "l1"
        }

    try:
        evict(10 + 3)
        assert counted() == {"lru": 3}
        harness.reconfigure(with_policy("sieve"))
        assert counted() == {"lru": 3, "sieve": 0}
        evict(4)
        assert counted() == {"lru": 3, "sieve": 4}
        harness.reconfigure(with_policy("lru"))
        evict(5)
        assert counted() == {"lru": 8, "sieve": 4}
        assert harness.store.stats.tiers[Tier.L1].evictions == 12
    finally:
        harness.close()


def with_policy(name: str) -> CacheConfig:
    """A store with this policy, and room for ten entries in L1."""
    config = CacheConfig()
    l1 = replace(config.tiers.l1, policy=name, max_entries=10)
    return replace(config, tiers=replace(config.tiers, l1=l1))
