"""L3 as a function: a request in, a reply out, and slices of work in between.

The engine owns the order and the limits: reads first, then the writes in one batch that also holds
the evictions that make room for them, the counters, and the touches. So whatever a crash leaves
behind is some prefix of what was sent, counters included, and no tier is over its size even there.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

import msgspec
from rocksdict import WriteBatch

from sidecar.l3 import wire
from sidecar.l3.database import Database, get_many
from sidecar.l3.eviction import SAMPLES_PER_VICTIM, SCORES, sample
from sidecar.l3.records import (
    Meta,
    disk_key,
    logical_bytes,
    pack_meta,
    pack_value,
    unpack_meta,
    unpack_value,
    user_key,
)
from sidecar.model.invalidations import Invalidations

READ_BYTES = 4 << 20
"""About what one multi-get may bring into memory."""
DRAIN_ENTRIES = 64
"""How much more than it adds a batch evicts at most, so that no batch is long after a shrink."""
SWEEP_ROWS = 256
MAX_FREQUENCY = 0xFFFFFFFF

_COUNTS = b"counts"
_SCOPE = b"scope/"


class _Counts(msgspec.Struct, array_like=True):
    """What is live, kept in the same batch as what it counts."""

    entries: int = 0
    used_bytes: int = 0
    max_seq: int = 0


class Engine:
    """The tier over an open database.

    `evictions` and `expirations` count since the start; entries whose life was over when they were
    chosen to go have expired and are not counted as evicted.
    """

    def __init__(self, database: Database, rng: random.Random) -> None:
        self._db = database
        self._rng = rng
        self._score = SCORES["lru"]
        self._max_entries = 0
        self._max_bytes = 0
        self._cap_bytes = sys.maxsize
        self._counts = _Counts()
        self._invalidations = Invalidations()
        self._sweep_from = b""
        self._sweep_started = 0  # the newest invalidation when this pass of the sweep began
        self.evictions = 0
        self.expirations = 0
        self._load()

    @property
    def entries(self) -> int:
        return self._counts.entries

    @property
    def used_bytes(self) -> int:
        return self._counts.used_bytes

    @property
    def max_seq(self) -> int:
        return self._counts.max_seq

    def pending_compaction_bytes(self) -> int:
        return self._db.pending_compaction_bytes()

    @property
    def invalidations(self) -> int:
        return len(self._invalidations)

    def cap(self, live_bytes: int) -> None:
        """Never hold more than this, whatever is configured: the volume has no room for it."""
        self._cap_bytes = live_bytes

    def configure(self, call: wire.Configure) -> None:
        self._score = SCORES[call.policy]
        self._max_entries = call.max_entries
        self._max_bytes = min(call.max_bytes, self._cap_bytes)

    # ---- reads

    def read(self, keys: list[bytes]) -> list[wire.Record | int]:
        """The records of `keys`, or why there is none. Lets go of the lock while it reads."""
        rows = get_many(self._db.value, [disk_key(key) for key in keys])
        return [self._visible(key, row) for key, row in zip(keys, rows, strict=True)]

    def reads_at_once(self) -> int:
        """How many values one multi-get may fetch."""
        average = self._counts.used_bytes // max(1, self._counts.entries)
        return max(1, READ_BYTES // max(1, average))

    def _visible(self, key: bytes, row: bytes | None) -> wire.Record | int:
        if row is None:
            return wire.ABSENT
        record = unpack_value(row)
        if self._invalidations.any and self._invalidations.covers(key, record.seq):
            return wire.ABSENT
        return record

    # ---- writes

    def write(
        self,
        writes: list[wire.Write],
        touches: list[tuple[bytes, int]],
        now: float,
        *,
        sync: bool,
    ) -> tuple[list[int], list[bytes]]:
        """Apply all in order and at once; what each write met, and the keys pushed out."""
        batch = _Batch(self, now)
        batch.look_up([write.key for write in writes if not isinstance(write, wire.Invalidate)])
        batch.look_up([key for key, _ in touches])
        answers = [batch.apply(write) for write in writes]
        for key, hits in touches:
            batch.touch(key, hits)
        evicted = batch.evict(len(writes) + DRAIN_ENTRIES)
        batch.commit(sync=sync)
        return answers, evicted

    # ---- work between frames, in slices

    def over(self) -> bool:
        """Whether a shrink has left more than the tier may hold."""
        return self._counts.entries > self._max_entries or self._counts.used_bytes > self._max_bytes

    def drain(self, now: float) -> list[bytes]:
        """One slice of getting under the limits; the keys that went."""
        batch = _Batch(self, now)
        evicted = batch.evict(DRAIN_ENTRIES)
        batch.commit(sync=False)
        return evicted

    def sweep(self, now: float) -> bool:
        """One slice of removing what has expired or was invalidated; True at the end of a pass."""
        if not self._sweep_from:
            self._sweep_started = self._invalidations.newest
        rows = self._db.meta.iter()
        rows.seek(self._sweep_from)
        batch = _Batch(self, now)
        for _ in range(SWEEP_ROWS):
            if not rows.valid():
                rows.status()
                self._forget_swept(batch)
                batch.commit(sync=False)
                self._sweep_from = b""
                return True
            key, meta = rows.key(), unpack_meta(rows.value())
            if batch.dead(key, meta):
                batch.drop(key, meta)
            rows.next()
        self._sweep_from = rows.key() if rows.valid() else b"\xff" * 9
        batch.commit(sync=False)
        return False

    def _forget_swept(self, batch: _Batch) -> None:
        """A whole pass went by after these were stored: nothing that they cover is left.

        An older version cannot arrive later: frames are in order, and the sidecar checks what it
        writes back against its own invalidations.
        """
        for scope in self._invalidations.forget(self._sweep_started):
            batch.rows.delete(_SCOPE + scope)

    def page(self, call: wire.ListKeys, now: float) -> wire.Page:
        """Keys below a scope, in the order of their hashes, looking at SWEEP_ROWS rows at most."""
        rows = self._db.meta.iter()
        rows.seek(call.cursor)
        found: list[wire.Listed] = []
        for _ in range(SWEEP_ROWS):
            if not rows.valid():
                rows.status()
                return wire.Page(found, None)
            if len(found) == call.limit:
                break
            key, meta = user_key(rows.key()), unpack_meta(rows.value())
            live = meta.expires_at > now and not self._invalidations.covers(key, meta.seq)
            if live and key.startswith(call.scope):
                found.append(wire.Listed(key, meta.size, meta.expires_at))
            rows.next()
        return wire.Page(found, rows.key() if rows.valid() else None)

    # ---- state

    def _load(self) -> None:
        stored = self._db.state.get(_COUNTS)
        if stored is not None:
            self._counts = msgspec.msgpack.decode(stored, type=_Counts)
        rows = self._db.state.iter()
        rows.seek(_SCOPE)
        while rows.valid() and rows.key().startswith(_SCOPE):
            seq = int.from_bytes(rows.value(), "little")
            self._invalidations.add(rows.key()[len(_SCOPE) :], seq)
            rows.next()


class _Batch:
    """Changes that are decided together and written together."""

    def __init__(self, engine: Engine, now: float) -> None:
        self._engine = engine
        self._now = now
        self._metas: dict[bytes, Meta | None] = {}  # as they will be
        self._put: list[bytes] = []  # rows put by this batch, in order
        self._touched: set[bytes] = set()
        counts = engine._counts
        self._counts = _Counts(counts.entries, counts.used_bytes, counts.max_seq)
        self._evictions = 0
        self._expirations = 0
        self.rows = WriteBatch(raw_mode=True)

    def look_up(self, keys: list[bytes]) -> None:
        wanted = [row for row in map(disk_key, keys) if row not in self._metas]
        if wanted:
            found = get_many(self._engine._db.meta, wanted)
            for row_key, row in zip(wanted, found, strict=True):
                self._metas[row_key] = None if row is None else unpack_meta(row)

    def dead(self, row_key: bytes, meta: Meta) -> bool:
        """Whether no read would give this version any more."""
        if meta.expires_at <= self._now:
            return True
        covers = self._engine._invalidations.covers
        return self._engine._invalidations.any and covers(user_key(row_key), meta.seq)

    def apply(self, write: wire.Write) -> int:
        self._counts.max_seq = max(self._counts.max_seq, write.seq)
        match write:
            case wire.Put():
                return self._apply_put(write)
            case wire.Delete():
                return self._apply_delete(write)
            case wire.Invalidate():
                self._engine._invalidations.add(write.scope, write.seq)
                self.rows.put(_SCOPE + write.scope, write.seq.to_bytes(8, "little"))
                return wire.NEW

    def _apply_put(self, put: wire.Put) -> int:
        row_key = disk_key(put.key)
        old = self._metas[row_key]
        met = wire.NEW if old is None or self.dead(row_key, old) else wire.REPLACED
        if old is not None:
            if old.seq >= put.seq:  # sent again after a restart of the child, or written back late
                return met
            self._discount(old)
        if self._engine._invalidations.covers(put.key, put.seq):
            return wire.REFUSED
        size = logical_bytes(put)
        if size > self._engine._max_bytes:
            self._forget(row_key, old)
            return wire.REFUSED
        meta = Meta(put.seq, put.expires_at, self._now, 1, size)
        self._metas[row_key] = meta
        self._put.append(row_key)
        self._counts.entries += 1
        self._counts.used_bytes += size
        self.rows.put(row_key, pack_meta(meta), self._engine._db.meta_family)
        self.rows.put(row_key, pack_value(put), self._engine._db.value_family)
        return met

    def _apply_delete(self, delete: wire.Delete) -> int:
        row_key = disk_key(delete.key)
        old = self._metas[row_key]
        if old is None:
            return wire.NEW
        met = wire.NEW if self.dead(row_key, old) else wire.REPLACED
        self.drop(row_key, old)
        return met

    def touch(self, key: bytes, hits: int) -> None:
        row_key = disk_key(key)
        meta = self._metas[row_key]
        if meta is None:
            return
        frequency = min(meta.frequency + hits, MAX_FREQUENCY)
        meta = meta._replace(accessed_at=self._now, frequency=frequency)
        self._metas[row_key] = meta
        self._touched.add(row_key)
        self.rows.put(row_key, pack_meta(meta), self._engine._db.meta_family)

    def evict(self, at_most: int) -> list[bytes]:
        """Drop entries until the rest fits, or `at_most` are gone; the live keys among them."""
        evicted: list[bytes] = []
        left = at_most
        while left > 0 and (want := min(left, self._surplus())) > 0:
            victims = self._victims(want)
            if not victims:
                break
            for row_key, meta in victims:
                if not self._surplus():
                    break
                left -= 1
                if not self.dead(row_key, meta):
                    evicted.append(user_key(row_key))
                    self._evictions += 1
                self.drop(row_key, meta)
        return evicted

    def drop(self, row_key: bytes, meta: Meta) -> None:
        """The row goes; one whose life was over counts as expired."""
        if meta.expires_at <= self._now:
            self._expirations += 1
        self._discount(meta)
        self._forget(row_key, meta)

    def _victims(self, want: int) -> list[tuple[bytes, Meta]]:
        """Rows to go, the first first: of those on disk, else of those that this batch puts."""
        engine = self._engine
        score = engine._score
        found = [
            (row_key, meta)
            for row_key, meta in sample(engine._db.meta, want * SAMPLES_PER_VICTIM, engine._rng)
            if row_key not in self._metas or row_key in self._touched
        ]
        found = [(key, self._metas.get(key) or meta) for key, meta in found]
        found.sort(key=lambda row: (not self.dead(*row), score(row[1])))
        if found:
            return found[:want]
        own = ((row_key, self._metas[row_key]) for row_key in self._put)
        return [(row_key, meta) for row_key, meta in own if meta is not None][:want]

    def _surplus(self) -> int:
        """About how many entries must go: at least one while either limit is exceeded."""
        counts, engine = self._counts, self._engine
        over_entries = counts.entries - engine._max_entries
        over_bytes = counts.used_bytes - engine._max_bytes
        if over_bytes > 0:
            average = max(1, counts.used_bytes // max(1, counts.entries))
            over_entries = max(over_entries, 1, over_bytes // average)
        return max(0, over_entries)

    def _discount(self, meta: Meta) -> None:
        self._counts.entries -= 1
        self._counts.used_bytes -= meta.size

    def _forget(self, row_key: bytes, meta: Meta | None) -> None:
        if meta is not None:
            self.rows.delete(row_key, self._engine._db.meta_family)
            self.rows.delete(row_key, self._engine._db.value_family)
        self._metas[row_key] = None
        self._touched.discard(row_key)

    def commit(self, *, sync: bool) -> None:
        if self.rows.is_empty():
            return
        engine = self._engine
        self.rows.put(_COUNTS, msgspec.msgpack.encode(self._counts))
        engine._db.write(self.rows, sync=sync)
        engine._counts = self._counts
        engine.evictions += self._evictions
        engine.expirations += self._expirations


def in_chunks(keys: list[bytes], size: int) -> Iterator[list[bytes]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
