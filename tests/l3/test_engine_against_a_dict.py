"""The engine against a dict, with restarts of the database and crashes in between.

The model is exact except for eviction: an entry that the engine reports as evicted leaves the
model, and all other live entries must be on disk, to the byte, after any history.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sidecar.l3 import wire
from sidecar.model.terms import mark_of, stored_terms, terms
from sidecar.model.writes import (
    NEW,
    REFUSED,
    REPLACED,
    Delete,
    Invalidate,
    InvalidateTags,
    Renew,
    Write,
)
from tests.l3.tier import Tier

KEYS = [f"ns{space}/{word}{n}".encode() for space in (1, 2) for word in "ab" for n in range(5)]
SCOPES = [b"ns1/", b"ns1/a", b"ns2/b1", b"ns2/"]
TAGS = ["", "red", "blue"]
POLICIES = ["fifo", "lfu", "lru", "random", "ttl"]

keys = st.sampled_from(KEYS)
sizes = st.sampled_from([0, 1, 100, 2000])
ttls = st.sampled_from([1.0, 10.0, math.inf])
limits = st.tuples(
    st.sampled_from(POLICIES), st.integers(1, 15), st.sampled_from([100, 500, 5_000, 1 << 30])
)
tags = st.sets(st.sampled_from(TAGS[1:])).map(sorted).map(tuple)
puts = st.tuples(st.just("put"), keys, sizes, ttls, tags)
renewals = st.tuples(st.just("renew"), keys, ttls)
of_tags = st.tuples(st.just("tags"), st.sets(st.sampled_from(TAGS[1:]), min_size=1).map(sorted))
deletes = st.tuples(st.just("delete"), keys)
invalidations = st.tuples(st.just("invalidate"), st.sampled_from(SCOPES))
batches = st.lists(
    puts | puts | puts | deletes | invalidations | renewals | of_tags, min_size=1, max_size=30
)


class Version(NamedTuple):
    seq: int
    value: bytes
    expires_at: float
    tags: tuple[str, ...]


class EngineMachine(RuleBasedStateMachine):
    """Batches of writes and touches, slices of work, time, new limits, restarts and crashes."""

    @initialize(given=limits)
    def begin(self, given: tuple[str, int, int]) -> None:
        self._folder = Path(tempfile.mkdtemp())
        policy, max_entries, max_bytes = given
        self.tier = Tier(
            self._folder / "db", policy=policy, max_entries=max_entries, max_bytes=max_bytes
        )
        self.model: dict[bytes, Version] = {}
        self.last: list[Write] = []

    def teardown(self) -> None:
        if hasattr(self, "tier"):
            self.tier.close()
            shutil.rmtree(self._folder)

    @rule(batch=batches, touched=st.dictionaries(keys, st.integers(1, 3), max_size=4))
    def write(self, batch: Sequence[tuple[object, ...]], touched: dict[bytes, int]) -> None:
        """Each write has its effect, and evictions of the batch are reported."""
        self.last = [self._write(*operation) for operation in batch]
        answers, evicted = self.tier.write(*self.last, touches=touched)
        assert answers == [self._apply(write) for write in self.last]
        self._forget(evicted)

    @precondition(lambda self: self.last)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """A new child receives unacknowledged requests again: the result is the same, except that
        entries evicted meanwhile return.
        """
        start = data.draw(st.integers(0, len(self.last) - 1))
        _, evicted = self.tier.write(*self.last[start:])
        for write in self.last[start:]:
            self._apply(write)
        self._forget(evicted)

    @rule(given=limits)
    def configure(self, given: tuple[str, int, int]) -> None:
        """Other limits and another policy: the excess is evicted in slices."""
        self.tier.configure(*given)
        self._forget(self.tier.drain())

    @rule(seconds=st.sampled_from([0.5, 2.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.tier.now += seconds

    @rule()
    def sweep(self) -> None:
        """A pass leaves no dead entries, and no scope in force."""
        self.tier.sweep()
        self.tier.sweep()
        assert self.tier.engine.invalidations == 0
        assert not self.tier.engine._tier.tags.any
        assert all(meta[1] > self.tier.now for meta in self.tier.rows().values())
        assert {key for key in self.model if self._lives(key)} == set(self.tier.rows())

    @rule(scope=st.sampled_from([b"", *SCOPES]))
    def list_keys(self, scope: bytes) -> None:
        """The pages contain the live keys below the scope, each once."""
        live = [key for key in self.model if self._lives(key) and key.startswith(scope)]
        assert sorted(self.tier.keys(scope, limit=3)) == sorted(live)

    @rule()
    def restart(self) -> None:
        self.tier.reopen()

    @rule()
    def crash(self) -> None:
        self.tier.crash()

    @invariant()
    def the_disk_has_what_the_model_has(self) -> None:
        if not hasattr(self, "tier"):
            return
        self.tier.check_counters()
        self.tier.check_limits()
        newest = max((version.seq for version in self.model.values()), default=0)
        assert newest <= self.tier.engine.max_seq <= self.tier.seq
        for key, row in zip(KEYS, self.tier.engine.read(KEYS), strict=True):
            version = self.model.get(key)
            if row is not None:
                answer = wire.decode_record(row)
                carried = stored_terms(answer.terms)
                found = () if carried is None else carried.tags
                assert version is not None
                assert version[:2] == (answer.seq, answer.value)
                assert version.tags == found
                # What was evicted, and is sent again with its renewal, is renewed later.
                assert answer.gone_at <= version.expires_at
                version = self.model[key] = version._replace(expires_at=answer.gone_at)
            else:
                assert not self._lives(key)

    def _write(self, kind: object, *arguments: object) -> Write:
        match kind, arguments:
            case "put", (bytes(key), int(size), float(ttl), tuple(carried)):
                value = bytes([self.tier.seq % 251]) * size
                return self.tier.a_put(key, value, ttl, terms("ns", tags=carried))
            case "renew", (bytes(key), float(ttl)):
                seq = self.model[key].seq if key in self.model else 0
                return Renew(key, seq, self.tier.now + ttl)
            case "tags", (list(named),):
                marks = [mark_of("ns", tag) for tag in named]
                return InvalidateTags(marks, self.tier.next_seq())
            case "delete", (bytes(key),):
                return Delete(key, self.tier.next_seq())
            case "invalidate", (bytes(scope),):
                return Invalidate(scope, self.tier.next_seq())
        raise AssertionError(kind)

    def _apply(self, write: Write) -> int:
        """The expected result of a write that is sent for the first time."""
        if isinstance(write, Invalidate):
            for key in [key for key in self.model if key.startswith(write.scope)]:
                self._drop_older(key, write.seq)
            return NEW
        if isinstance(write, InvalidateTags):
            for key, version in list(self.model.items()):
                if any(mark_of("ns", tag) in write.marks for tag in version.tags):
                    self._drop_older(key, write.seq)
            return NEW
        if isinstance(write, Renew):
            return self._renew(write)
        met = REPLACED if self._lives(write.key) else NEW
        self._drop_older(write.key, write.seq)
        if isinstance(write, Delete):
            return met
        size = len(write.key) + len(write.content_type) + len(write.value) + 64
        if size + 2 * len(write.terms) > self.tier.limits.max_bytes:
            return REFUSED
        carried = stored_terms(write.terms)
        version = Version(
            write.seq, write.value, write.gone_at, () if carried is None else carried.tags
        )
        self.model.setdefault(write.key, version)
        return met

    def _renew(self, write: Renew) -> int:
        version = self.model.get(write.key)
        if version is not None and version.seq == write.seq and self._lives(write.key):
            later = max(version.expires_at, write.gone_at)
            self.model[write.key] = version._replace(expires_at=later)
        return NEW

    def _drop_older(self, key: bytes, seq: int) -> None:
        if key in self.model and self.model[key].seq < seq:
            del self.model[key]

    def _lives(self, key: bytes) -> bool:
        version = self.model.get(key)
        return version is not None and version.expires_at > self.tier.now

    def _forget(self, evicted: list[bytes]) -> None:
        for key in evicted:
            assert self._lives(key), "reported as evicted, but no read could have found it"
            del self.model[key]


TestEngineMachine = EngineMachine.TestCase
TestEngineMachine.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
