"""The effect of proposed changes in a real store.

Each test calls an action, applies its change, and checks what the cache then holds and returns.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sidecar.catalogue import CATALOGUE
from sidecar.config.knobs import Effective, turned
from sidecar.config.values import CacheConfig, TiersConfig
from sidecar.l3 import wire
from sidecar.model.change import Declined, Turn
from sidecar.model.entry import L1, L2, L3, Hit, Packed, Tier
from sidecar.optimizer.situation import Situation
from sidecar.store.snapshot import snapshot
from sidecar.testing.situations import situation
from tests.http.serving import running_sidecar
from tests.optimizer.actions.acting import propose
from tests.running import life_left
from tests.store.harness import Harness

KEYS = [b"ns/key%d" % number for number in range(200)]
RNG = random.Random(7)
VALUES = {key: RNG.randbytes(1024) for key in KEYS}  # as they are: nothing to compress


class Tuned:
    """A store that actions change. L1 holds 10 entries, L2 100, and L3 all of them."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        tiers = TiersConfig()
        tiers = replace(
            tiers,
            l1=replace(tiers.l1, max_entries=10),
            l2=replace(tiers.l2, max_entries=100),
        )
        config = replace(CacheConfig(tiers=tiers), **changes)
        self.harness = Harness(folder, config, seed=1)
        self.store = self.harness.store
        self.configured = Effective(cache=config)

    def situation(self, **signals: float) -> Situation:
        self.store.disk.feed(wire.Reply([], [], [], status=self.harness.status()))
        return Situation(
            cache=snapshot(self.store),
            effective=Effective(cache=self.store.config),
            configured=self.configured,
            signal=signals.get,
            step=0.5,
            knobs=CATALOGUE.knobs,
        )

    def act(self, action: str, **written: object) -> bool:
        """Apply the change that an action proposes; False if it declines."""
        answer = propose(action, self.situation(), **written)
        if isinstance(answer, Declined):
            return False
        assert isinstance(answer, Turn)
        self.harness.reconfigure(
            turned(CATALOGUE.knobs, Effective(cache=self.store.config), answer).cache
        )
        return True

    def put(self, *keys: bytes, value: bytes | None = None) -> None:
        for key in keys:
            body = VALUES[key] if value is None else value
            self.harness.run(self.store.put(key, body, "text/plain", math.inf))

    def get(self, key: bytes) -> Hit | None:
        return self.harness.run(self.store.get(key))

    def memory_hit_ratio(self, keys: list[bytes], rounds: int) -> float:
        """The hit ratio of memory for repeated reads of the keys in this order."""
        stats = self.store.stats
        before = stats.tiers[Tier.L1].hits + stats.tiers[Tier.L2].hits
        for _ in range(rounds):
            for key in keys:
                self.get(key)
        return (stats.tiers[Tier.L1].hits + stats.tiers[Tier.L2].hits - before) / (
            rounds * len(keys)
        )


Tune = Callable[..., Tuned]


@pytest.fixture
def tune(tmp_path: Path) -> Iterator[Tune]:
    """Makes stores, and closes them after the test."""
    made: list[Tuned] = []

    def make(**changes: Any) -> Tuned:
        made.append(Tuned(tmp_path / str(len(made)), **changes))
        return made[-1]

    yield make
    for cache in made:
        cache.harness.close()


def test_shrink_tier_lets_entries_go_and_frees_their_bytes(tune: Tune) -> None:
    """L2 evicts a fifth of its 100 entries; L3 then serves these 20."""
    cache = tune()
    cache.put(*KEYS[:110])
    before = cache.store.l2.used_bytes
    assert len(cache.store.l2) == 100
    assert cache.act("shrink_tier", tier="l2", by="20%")
    assert len(cache.store.l2) == 80
    assert cache.store.l2.used_bytes == pytest.approx(0.8 * before, rel=0.01)
    hit = cache.get(KEYS[0])
    assert hit is not None
    assert (hit.tier, hit.value) == (L3, VALUES[KEYS[0]])


def test_shrink_tier_frees_memory_of_a_half_empty_tier_too(tune: Tune) -> None:
    """L2 holds 40 of 100 entries, so lowering the limit by a fifth would free nothing."""
    cache = tune()
    cache.put(*KEYS[:50])
    assert len(cache.store.l2) == 40
    assert cache.act("shrink_tier", tier="l2", by="20%")
    assert len(cache.store.l2) == 32


def test_shrink_tier_repeated_ends_at_the_floor(tune: Tune) -> None:
    """The limit never falls below a tenth of the configured one, which is 10 entries."""
    cache = tune()
    cache.put(*KEYS[:110])
    while cache.act("shrink_tier", tier="l2", by="20%"):
        assert len(cache.store.l2) >= 10
    assert cache.store.config.tiers.l2.max_entries == 10
    assert len(cache.store.l2) == 10


def test_grow_tier_gives_a_loop_that_is_too_long_its_hits(tune: Tune) -> None:
    """A loop over 150 keys never hits L1 and L2 of 110. The action repeats until all have room."""
    cache = tune()
    cache.put(*KEYS[:150])
    assert cache.memory_hit_ratio(KEYS[:150], rounds=2) == 0
    while cache.act("grow_tier", tier="l2", by="25%"):
        cache.memory_hit_ratio(KEYS[:150], rounds=1)
    assert cache.memory_hit_ratio(KEYS[:150], rounds=2) == 1
    assert 140 <= cache.store.config.tiers.l2.max_entries <= 200


def test_grow_tier_makes_l3_keep_more(tune: Tune) -> None:
    """With 125 entries, L3 keeps what it evicted with 100."""
    tiers = TiersConfig()
    cache = tune(tiers=replace(tiers, l3=replace(tiers.l3, max_entries=100)))
    cache.put(*KEYS[:150])
    assert cache.harness.engine.entries == 100
    moment = cache.situation(**{"io.disk_free_bytes": 1e9})
    answer = propose("grow_tier", moment, tier="l3", by="25%")
    assert isinstance(answer, Turn)
    cache.harness.reconfigure(turned(CATALOGUE.knobs, moment.effective, answer).cache)
    cache.put(*KEYS[:150])
    assert cache.harness.engine.entries == 125


def test_switch_policy_keeps_entries_and_changes_who_leaves(tune: Tune) -> None:
    """In a loop, LRU evicts the key that is read next; `random` evicts any key."""
    cache = tune()
    cache.put(*KEYS[:150])
    assert cache.memory_hit_ratio(KEYS[:150], rounds=2) == 0
    held = set(cache.store.memory.held.entries(L2))
    assert cache.act("switch_policy", tier="l2", to="random")
    assert set(cache.store.memory.held.entries(L2)) == held
    assert cache.situation().cache.tiers[1].policy == "random"
    assert cache.memory_hit_ratio(KEYS[:150], rounds=4) > 0.3


def test_set_compression_keeps_what_comes_from_then_on_as_it_is(tune: Tune) -> None:
    """In both directions: compressed, the same values take a small part of the bytes."""
    cache = tune()
    value = b"a line like any other\n" * 200
    assert cache.act("set_compression", to="none")
    cache.put(*KEYS[:60], value=value)
    plain = cache.store.l2.used_bytes
    assert not any(
        isinstance(entry.value, Packed) for entry in cache.store.memory.held.entries(L2).values()
    )
    assert cache.act("set_compression", to="zstd")
    cache.put(*KEYS[:60], value=value)
    assert all(
        isinstance(entry.value, Packed) for entry in cache.store.memory.held.entries(L2).values()
    )
    assert cache.store.l2.used_bytes < plain / 4


@pytest.mark.parametrize(("acting", "tiers"), [(False, [L2, L2, L1]), (True, [L2, L1, L1])])
def test_set_promote_after_moves_entries_to_l1_sooner(
    tune: Tune, acting: bool, tiers: list[object]
) -> None:
    """Entries move after the first hit in L2 instead of the second."""
    cache = tune()
    cache.put(*KEYS[:50])
    if acting:
        assert cache.act("set_promote_after", to=1)
    hits = [cache.get(KEYS[0]) for _ in range(3)]
    assert [hit and hit.tier for hit in hits] == tiers


async def test_stretch_ttl_is_what_a_put_value_gets(tmp_path: Path) -> None:
    """The new lifetime applies to values that are put over HTTP without one."""
    async with running_sidecar(tmp_path) as sidecar, aiohttp.ClientSession() as client:
        store = sidecar.store
        url = f"http://127.0.0.1:{sidecar.ports['http']}/v1/cache/demo/key"
        for life in (3600, 4500):
            (await client.put(url, data=b"value")).release()
            async with client.get(url) as answer:
                left = life_left(answer.headers)
            assert life - 60 < left <= life
            in_force = Effective(cache=store.config)
            turn = propose("stretch_ttl", situation(in_force), by="25%")
            assert isinstance(turn, Turn)
            store.apply(turned(CATALOGUE.knobs, in_force, turn).cache)
