"""The whole store against a dict: a read returns the last value written, or nothing.

A cache may drop entries, so a miss is never wrong while tiers are small. Wrong are any other value,
a hit on an entry that was deleted, invalidated or has expired, and a tier above its limits.

One machine of more than 300 lines, since all operations share its model.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sidecar.catalogue import CATALOGUE
from sidecar.config.knobs import Tuning
from sidecar.config.values import CacheConfig, TiersConfig
from sidecar.model.entry import L1, L2
from sidecar.model.errors import PreconditionFailedError
from sidecar.model.terms import Terms, mark_of, terms
from sidecar.store.listing import page
from sidecar.store.store import SOFT_SECONDS, Found
from sidecar.store.upkeep import sweep
from sidecar.tiers.memory import READY_BYTES, cost_of
from tests.store.harness import Harness

KEYS = [f"ns{space}/{word}{n}".encode() for space in (1, 2) for word in "ab" for n in range(4)]
SCOPES = [b"ns1/", b"ns1/a", b"ns2/b1", b"ns2/"]
SIZES = [0, 1, 100, 1500, 70_000]
TTLS = [1.0, 10.0, math.inf]
MEMORY_POLICIES = sorted(CATALOGUE.policies)
DISK_POLICIES = ["fifo", "lfu", "lru", "random", "ttl"]

policies = st.sampled_from(MEMORY_POLICIES)
disk_policies = st.sampled_from(DISK_POLICIES)
capacities = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 12))
enabled = st.tuples(st.booleans(), st.booleans())
tunings = st.sampled_from([Tuning(), Tuning(l3_admission="second")])


def configured(
    names: tuple[str, str, str], sizes: tuple[int, int, int], on: tuple[bool, bool]
) -> CacheConfig:
    tiers = TiersConfig()
    return CacheConfig(
        tiers=TiersConfig(
            l1=replace(tiers.l1, policy=names[0], max_entries=sizes[0], enabled=on[0]),
            l2=replace(tiers.l2, policy=names[1], max_entries=sizes[1], enabled=on[1]),
            l3=replace(tiers.l3, policy=names[2], max_entries=sizes[2]),
        ),
        promote_after=2,
    )


TAGS = ["red", "blue"]
tags = st.sets(st.sampled_from(TAGS)).map(sorted).map(tuple)
graces = st.sampled_from([0.0, 0.0, 5.0])


class Known(NamedTuple):
    """A version, as the model has it."""

    value: bytes
    created_at: float
    fresh_until: float
    terms: Terms | None
    softened: bool = False

    def age(self, now: float) -> str:
        """Whether it is fresh, stale or gone."""
        while_revalidate = 0.0 if self.terms is None else self.terms.while_revalidate
        if now < self.fresh_until:
            return "fresh"
        return "stale" if now < self.fresh_until + while_revalidate else "gone"


class StoreMachine(RuleBasedStateMachine):
    """All operations of the store, restarts, time, and changes of the configuration."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp())
        self._count = 0
        self.model: dict[bytes, Known] = {}
        self.harness: Harness

    @initialize(
        names=st.tuples(policies, policies, disk_policies),
        sizes=capacities,
        on=enabled,
        tuning=tunings,
    )
    def begin(
        self,
        names: tuple[str, str, str],
        sizes: tuple[int, int, int],
        on: tuple[bool, bool],
        tuning: Tuning,
    ) -> None:
        self.harness = Harness(self._folder, configured(names, sizes, on), seed=1, tuning=tuning)

    def teardown(self) -> None:
        if hasattr(self, "harness"):
            self.harness.close()
        shutil.rmtree(self._folder)

    def _value(self, size: int) -> bytes:
        self._count += 1
        return (b"%d." % self._count) * (size // 4 + 1) if size else b""

    def _in_memory(self, key: bytes) -> bool:
        """Whether a read would find the key without L3."""
        found = self.harness.store.locate(key)
        return isinstance(found, Found) and found.entry.expires_at > self.harness.now

    def _know(self, key: bytes, value: bytes, ttl: float, terms: Terms | None = None) -> None:
        now = self.harness.now
        self.model[key] = Known(value, now, now + ttl, terms)

    @rule(
        key=st.sampled_from(KEYS),
        size=st.sampled_from(SIZES),
        ttl=st.sampled_from(TTLS),
        carried=tags,
        grace=graces,
        slides=st.booleans(),
    )
    def put(
        self,
        key: bytes,
        size: int,
        ttl: float,
        carried: tuple[str, ...] = (),
        grace: float = 0.0,
        *,
        slides: bool = False,
    ) -> None:
        value = self._value(size)
        there = self._in_memory(key)
        stated = terms(
            key[:3].decode(),
            tags=carried,
            while_revalidate=grace,
            sliding=ttl if slides and ttl < math.inf else 0.0,
            max_age=25.0,
        )
        put = self.harness.store.put(key, value, "text/plain", ttl, terms=stated)
        written = self.harness.run(put)
        assert written.replaced or not there
        self._know(key, value, ttl, stated)

    @rule(key=st.sampled_from(KEYS), size=st.sampled_from(SIZES))
    def add_if_absent(self, key: bytes, size: int) -> None:
        """It succeeds exactly if a read right before it finds nothing."""
        store = self.harness.store
        there = self.harness.run(store.get(key)) is not None
        value = self._value(size)
        put = store.put(key, value, "text/plain", 10.0, lambda entry: entry is None)
        if there:
            with pytest.raises(PreconditionFailedError):
                self.harness.run(put)
        else:
            self.harness.run(put)
            self._know(key, value, 10.0)

    @rule(key=st.sampled_from(KEYS))
    def get(self, key: bytes) -> None:
        hit = self.harness.run(self.harness.store.get(key))
        if hit is None:
            return
        known, now = self.model[key], self.harness.now
        assert hit.value == known.value
        expires_at = self.harness.store.expires_at(hit.entry)
        if expires_at < known.fresh_until:  # L3 has not heard of all its hits
            known = self.model[key] = known._replace(fresh_until=expires_at)
        assert known.age(now) == ("stale" if hit.stale else "fresh")
        stated = known.terms
        if stated is not None and stated.sliding and not hit.stale:
            renewed = min(now + stated.sliding, known.created_at + stated.max_age)
            known = known._replace(fresh_until=max(known.fresh_until, renewed))
            self.model[key] = known
        assert hit.stale or hit.entry.expires_at == known.fresh_until

    @rule(key=st.sampled_from(KEYS))
    def delete(self, key: bytes) -> None:
        there = self._in_memory(key)
        assert self.harness.run(self.harness.store.delete(key)).replaced or not there
        self.model.pop(key, None)

    @rule(scope=st.sampled_from(SCOPES))
    def invalidate(self, scope: bytes) -> None:
        self.harness.run(self.harness.store.invalidate(scope))
        self.model = {key: kept for key, kept in self.model.items() if not key.startswith(scope)}

    @rule(
        named=st.sets(st.sampled_from(TAGS), min_size=1), namespace=st.sampled_from(["ns1", "ns2"])
    )
    def invalidate_tags(self, named: set[str], namespace: str) -> None:
        marks = [mark_of(namespace, tag) for tag in sorted(named)]
        self.harness.run(self.harness.store.invalidate_tags(marks))
        for key, known in list(self.model.items()):
            if known.terms is not None and set(known.terms.marks) & set(marks):
                del self.model[key]

    @rule(named=st.sampled_from(TAGS), namespace=st.sampled_from(["ns1", "ns2"]))
    def soften(self, named: str, namespace: str) -> None:
        mark = mark_of(namespace, named)
        now = self.harness.now
        self.harness.run(self.harness.store.invalidate_tags([mark], soft=True))
        for key, known in self.model.items():
            if known.terms is not None and mark in known.terms.marks:
                fresh_until = min(known.fresh_until, now)
                self.model[key] = known._replace(fresh_until=fresh_until, softened=True)

    @rule()
    def an_hour_passes(self) -> None:
        """What was softened is gone."""
        self.harness.now += SOFT_SECONDS + 1
        self.harness.run(sweep(self.harness.store))
        assert not self.harness.store.softened.any

    @rule(seconds=st.sampled_from([0.5, 2.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.harness.now += seconds

    @rule()
    def sweep_memory(self) -> None:
        self.harness.run(sweep(self.harness.store))

    @rule()
    def sweep_disk(self) -> None:
        while not self.harness.engine.sweep(self.harness.now):
            pass

    @rule(key=st.sampled_from(KEYS))
    def put_twice_and_once_more(self, key: bytes) -> None:
        """Restarts between the puts empty memory: a version that L3 has must not return when L3 is
        not given the next one.
        """
        for _ in range(2):
            self.put(key, 100, math.inf)
        self.restart()
        self.put(key, 100, math.inf)
        self.restart()
        self.get(key)

    @rule()
    def restart(self) -> None:
        self.harness.serve()
        self.harness.stop()
        self.harness.start()

    @rule(
        names=st.tuples(policies, policies, disk_policies),
        sizes=capacities,
        on=enabled,
        tuning=tunings,
    )
    def reconfigure(
        self,
        names: tuple[str, str, str],
        sizes: tuple[int, int, int],
        on: tuple[bool, bool],
        tuning: Tuning,
    ) -> None:
        self.harness.reconfigure(configured(names, sizes, on), tuning)

    @rule()
    def list_keys(self) -> None:
        """Every listed key exists, and all keys in L3 and memory are listed."""
        store = self.harness.store
        listed: set[bytes] = set()
        cursor: bytes | None = b""
        while cursor is not None:
            rows, cursor = self.harness.run(
                page(store, lambda: self.harness.now, b"ns1/", cursor, 3)
            )
            listed.update(row.key for row in rows)
        now = self.harness.now
        # A list does not say of what L3 has whether it was softened.
        live = {
            key for key, known in self.model.items() if known.age(now) != "gone" or known.softened
        }
        assert listed <= live

    @invariant()
    def no_tier_is_over_its_limits(self) -> None:
        if not hasattr(self, "harness"):
            return
        store, engine = self.harness.store, self.harness.engine
        held = store.memory.held
        for tier, room in ((L1, store.l1), (L2, store.l2)):
            entries = held.entries(tier)
            ready = held.ready.overhead_bytes + READY_BYTES if tier is L1 else 0
            overhead = held.order.overhead_bytes + ready
            assert not room.over
            assert len(room) == len(entries)
            assert room.used_bytes == sum(
                cost_of(key, entry.value, entry.terms) + overhead for key, entry in entries.items()
            )
        assert {place.key: place.entry for place in held.ready} == held.entries(L1)
        assert engine.entries <= store.config.tiers.l3.max_entries


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=30, stateful_step_count=60, deadline=None)
