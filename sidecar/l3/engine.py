"""L3 as a function: requests in, replies out, and slices of background work in between.

The engine enforces the order and the limits: writes are one batch (`batch`), together with the
evictions that make room for them and with the counters. So a crash leaves a prefix of the writes
that were sent, counters included, and never a tier over its limits.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

from sidecar.l3 import wire
from sidecar.l3.batch import COUNTS_ROW, Batch, TierState, counts_of
from sidecar.l3.database import Database, get_each, get_many, rows_from
from sidecar.l3.invalidated import is_invalidated, load_scopes, load_softened, load_tags
from sidecar.l3.records import (
    disk_key,
    grace_of,
    logical_bytes,
    unpack_meta,
    user_key,
)
from sidecar.model.answers import PAGE_BYTES, ListedKey, Page
from sidecar.model.metadata import FREQUENCY, GONE_AT, SIZE
from sidecar.model.writes import RECORD_BYTES, Put, Write
from sidecar.policies import lru
from sidecar.policies.spec import import_score

READ_BYTES = 4 << 20
"""The most bytes that one multi-get may load; a larger value is read alone."""
DRAIN_ENTRIES = 64
"""The most that a batch evicts beyond what it adds, so that none takes long after a shrink."""
SWEEP_ROWS = 256
PAYING_ROWS = SWEEP_ROWS // 16
"""A sweep that finds this many dead rows in a slice continues without a pause."""
FORGOTTEN_TAGS = 1 << 10
"""The most tags that one pass of the sweep drops, each of which is a row: about a millisecond."""


class Engine:
    """The tier on an open database. It has no limits until it is configured."""

    def __init__(self, database: Database, rng: random.Random) -> None:
        self._db = database
        self._tier = TierState(database, rng, lru.score, sys.maxsize, sys.maxsize)
        self._cap_bytes = sys.maxsize
        self._sweep_from = b""
        self._sweep_started = 0  # the newest invalidation when this pass of the sweep began
        self._sweep_started_tags = 0  # likewise, of a tag
        self._sweep_found = 0
        self.damaged = 0
        """Reads since the start that met a damaged block."""
        self._load()

    @property
    def entries(self) -> int:
        return self._tier.counts.entries

    @property
    def used_bytes(self) -> int:
        return self._tier.counts.used_bytes

    @property
    def largest(self) -> int:
        """The size of the largest entry so far."""
        return self._tier.counts.largest

    @property
    def max_seq(self) -> int:
        return self._tier.counts.max_seq

    @property
    def evictions(self) -> int:
        return self._tier.evictions

    @property
    def expirations(self) -> int:
        return self._tier.expirations

    @property
    def dropped_bytes(self) -> int:
        """Logical bytes of all entries that left L3 since the start."""
        return self._tier.dropped_bytes

    @property
    def changed_bytes(self) -> int:
        """Logical bytes that were written or dropped since the start."""
        return self._tier.written_bytes + self._tier.dropped_bytes

    @property
    def softened(self) -> list[tuple[int, int]]:
        return self._tier.softened.items()

    @property
    def invalidations(self) -> int:
        return len(self._tier.invalidations)

    @property
    def invalidation_bytes(self) -> int:
        return self._tier.invalidations.size_bytes

    def pending_compaction_bytes(self) -> int:
        return self._db.pending_compaction_bytes()

    def note_flushes(self) -> None:
        self._db.note_flushes()

    def cap(self, live_bytes: int) -> None:
        """The most bytes that the volume has room for, whatever is configured."""
        self._cap_bytes = live_bytes
        self._tier.max_bytes = min(self._tier.max_bytes, live_bytes)

    def configure(self, call: wire.Configure) -> None:
        self._tier.score = import_score(call.score)
        self._tier.max_entries = call.max_entries
        self._tier.max_bytes = min(call.max_bytes, self._cap_bytes)

    # ---- reads

    def read(self, keys: list[bytes]) -> list[bytes | None]:
        """The encoded records of those `keys` that exist. Releases the interpreter lock."""
        rows, damaged = get_each(self._db.value, [disk_key(key) for key in keys])
        self.damaged += damaged
        invalidations, tags = self._tier.invalidations, self._tier.tags
        if invalidations.any or tags.any:
            for at, (key, row) in enumerate(zip(keys, rows, strict=True)):
                if row is not None and is_invalidated(key, row, invalidations, tags):
                    rows[at] = None
        return rows

    def in_chunks(self, keys: list[bytes]) -> Iterator[list[bytes]]:
        """The keys of each multi-get, in order. Sizes are looked up only if they may matter."""
        if len(keys) * self._tier.counts.largest <= READ_BYTES:
            yield keys
            return
        rows = get_many(self._db.meta, [disk_key(key) for key in keys])
        chunk: list[bytes] = []
        chunk_bytes = 0
        for key, row in zip(keys, rows, strict=True):
            size = 0 if row is None else unpack_meta(row)[SIZE]
            if chunk and chunk_bytes + size > READ_BYTES:
                yield chunk
                chunk, chunk_bytes = [], 0
            chunk.append(key)
            chunk_bytes += size
        yield chunk

    def entries_in(self, size_bytes: int) -> int:
        """The number of entries of average size in that many bytes; at least one, and any number if
        all of L3 fits.
        """
        counts = self._tier.counts
        if counts.used_bytes <= size_bytes:
            return sys.maxsize
        return max(1, size_bytes * counts.entries // counts.used_bytes)

    # ---- writes

    def write(
        self,
        writes: list[Write],
        now: float,
        *,
        sync: bool,
        most_bytes: int = sys.maxsize,
    ) -> tuple[list[int], list[bytes]]:
        """Apply all in order, atomically; returns the effect of each write, and the evicted keys.

        If the tier has to shrink, it drops about `most_bytes` more than the writes add.
        """
        batch = Batch(self._tier, now)
        answers = batch.apply(writes)
        evicted = batch.evict(min(DRAIN_ENTRIES, self.entries_in(most_bytes)))
        batch.commit(sync=sync)
        return answers, evicted

    def catch_up(self, missed: list[Write], now: float) -> None:
        """Apply what L3 has missed while it was away, durably. To do so again changes nothing."""
        for start in range(0, len(missed), wire.MAX_FRAME_WRITES):
            self.write(missed[start : start + wire.MAX_FRAME_WRITES], now, sync=True)

    def touch(self, hits: dict[bytes, int], now: float) -> None:
        """Record the number of uses of entries."""
        batch = Batch(self._tier, now)
        batch.touch(hits)
        batch.commit(sync=False)

    def crowded(self, writes: list[Write], frame_bytes: int) -> int:
        """The bytes that `writes` add, if room for them has to be made in slices first; else 0.

        One large value may evict more small ones than fit between two frames. `frame_bytes` are at
        least those of their frame: usually there is room for that, and nothing else to add up.
        """
        counts, tier = self._tier.counts, self._tier
        if counts.used_bytes + frame_bytes + len(writes) * RECORD_BYTES <= tier.max_bytes:
            return 0
        sizes = [logical_bytes(write) for write in writes if isinstance(write, Put)]
        incoming = sum(size for size in sizes if size <= tier.max_bytes)
        over = min(incoming, counts.used_bytes + incoming - tier.max_bytes)
        few = (DRAIN_ENTRIES + len(writes)) * counts.used_bytes
        return incoming if over * counts.entries > few else 0

    # ---- work between frames, in slices

    def over(self) -> bool:
        """Whether the tier is over its limits after a shrink."""
        tier = self._tier
        return tier.counts.entries > tier.max_entries or tier.counts.used_bytes > tier.max_bytes

    def drain(
        self, now: float, incoming_bytes: int = 0, most_bytes: int = sys.maxsize
    ) -> list[bytes]:
        """One slice of getting under the limits, with spare room; returns the dropped keys.

        It drops at most about `most_bytes`, and at least one entry.
        """
        batch = Batch(self._tier, now)
        evicted = batch.evict(min(DRAIN_ENTRIES, self.entries_in(most_bytes)), incoming_bytes)
        batch.commit(sync=False)
        return evicted

    def sweep(self, now: float, most_bytes: int = sys.maxsize) -> bool:
        """One slice of removing expired and invalidated entries; True at the end of a pass.

        It drops at most `most_bytes`, plus one entry.
        """
        if not self._sweep_from:
            self._sweep_started = self._tier.invalidations.newest
            self._sweep_started_tags = self._tier.tags.newest
        batch = Batch(self._tier, now)
        self._sweep_found = 0
        rows = rows_from(self._db.meta, self._sweep_from, SWEEP_ROWS + 1)
        self._sweep_from = b""
        for count, (row_key, row) in enumerate(rows):
            if count == SWEEP_ROWS or batch.dropped_bytes > most_bytes:
                self._sweep_from = row_key
                break
            meta = unpack_meta(row)
            if batch.dead(row_key, meta):
                batch.drop(row_key, meta)
                self._sweep_found += 1
        at_end = not self._sweep_from
        if at_end:
            self._forget_swept(batch)
        batch.commit(sync=False)
        return at_end

    @property
    def sweep_pays(self) -> bool:
        """Whether to sweep without pauses: it finds much, or every read waits for its end."""
        tier = self._tier
        return self._sweep_found >= PAYING_ROWS or tier.invalidations.any

    @property
    def tags_crowded(self) -> bool:
        """Whether so many tags are invalidated that a pass is due for them."""
        return self._tier.tags.crowded

    def _forget_swept(self, batch: Batch) -> None:
        """Drop invalidations that were stored before a whole pass: nothing that they cover is left.

        An older version cannot arrive later: frames are in order, and the sidecar checks what it
        writes back against its own invalidations.
        """
        for scope in self._tier.invalidations.forget(self._sweep_started):
            batch.forget_scope(scope)
        tags = self._tier.tags
        had_floor = tags.floor > 0
        batch.forget_tags(tags.forget(self._sweep_started_tags, FORGOTTEN_TAGS))
        if had_floor and not tags.floor:
            batch.store_floor()

    def page(self, call: wire.ListKeys, now: float) -> Page:
        """Keys below a scope, in the order of their hashes; reads at most SWEEP_ROWS rows."""
        found: list[ListedKey] = []
        size = 0
        batch = Batch(self._tier, now)
        rows = rows_from(self._db.meta, call.cursor, SWEEP_ROWS + 1)
        for count, (row_key, row) in enumerate(rows):
            if count == SWEEP_ROWS or len(found) == call.limit or size >= PAGE_BYTES:
                return Page(found, row_key)
            key, meta = user_key(row_key), unpack_meta(row)
            if key.startswith(call.scope) and not batch.dead(row_key, meta):
                grace = grace_of(meta)
                expires_at, hits = meta[GONE_AT] - grace, meta[FREQUENCY]
                found.append(ListedKey(key, meta[SIZE], expires_at, hits, grace))
                size += len(key)
        return Page(found, None)

    # ---- state

    def _load(self) -> None:
        stored = self._db.state.get(COUNTS_ROW)
        if stored is not None:
            self._tier.counts = counts_of(stored)
        load_scopes(self._db.state, self._tier.invalidations)
        load_tags(self._db.state, self._tier.tags)
        load_softened(self._db.state, self._tier.softened)
