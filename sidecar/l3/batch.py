"""Changes to the tier that are decided and written together.

A batch first looks up the keys of its writes, then decides in memory, evicts entries to make room,
and is written to RocksDB as one batch that includes the counters. So the counters are exact after
any crash, and no crash leaves the tier over its limits. One class of more than 300 lines, since all
changes to a row are decided from what the batch has changed before.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Annotated

import msgspec
from rocksdict import WriteBatch

from sidecar.l3.database import Database, get_many
from sidecar.l3.eviction import SAMPLES_PER_VICTIM, sample
from sidecar.l3.invalidated import FLOOR_ROW, pack_seq, scope_row, soft_row, tag_row
from sidecar.l3.records import (
    disk_key,
    logical_bytes,
    marks_of,
    pack_meta,
    pack_value,
    renewed_record,
    tail_of,
    unpack_meta,
    user_key,
)
from sidecar.l3.wire import UNDECODABLE
from sidecar.model.answers import Seq, Size
from sidecar.model.invalidations import Invalidations
from sidecar.model.life import is_expired
from sidecar.model.metadata import FREQUENCY, GONE_AT, SEQ, SIZE, Metadata
from sidecar.model.tags import MOST_SOFTENED, NO_TAG, Tags
from sidecar.model.writes import (
    NEW,
    RECORD_BYTES,
    REFUSED,
    REPLACED,
    Delete,
    Invalidate,
    InvalidateTags,
    Put,
    Renew,
    Write,
)
from sidecar.policies.spec import Score

COUNTS_ROW = b"counts"
MAX_FREQUENCY = 0xFFFFFFFF
VICTIMS_AT_ONCE = 256
LOT_SHARE = 1 / 256
MOST_IN_LOT = 64


Number = Annotated[int, msgspec.Meta(ge=0)]


class Counts(msgspec.Struct, array_like=True):
    """The live entries and bytes, written in the same batch as the rows that they count."""

    entries: Number = 0
    used_bytes: Number = 0
    max_seq: Seq = 0
    largest: Size = 0xFFFFFFFF
    """The size of the largest entry so far; of any size where an older version has counted."""


def counts_of(row: bytes) -> Counts:
    """Raises ValueError, which says that L3 is corrupt."""
    try:
        return msgspec.msgpack.decode(row, type=Counts)
    except UNDECODABLE as error:
        raise ValueError(f"Corruption: the counters: {error}") from None


@dataclass(slots=True)
class TierState:
    """The state of the tier; every batch starts with it and changes it when written.

    `evictions` and `expirations` count since the start; an entry that had expired when it was
    removed counts as an expiration, whatever the reason. `written_bytes` are all logical bytes that
    were written since the start, and `dropped_bytes` those that became dead; a touch writes a row
    and replaces one.
    """

    database: Database
    rng: random.Random
    score: Score
    max_entries: int
    max_bytes: int
    counts: Counts = field(default_factory=partial(Counts, largest=0))
    invalidations: Invalidations = field(default_factory=Invalidations)
    tags: Tags = field(default_factory=Tags)
    softened: Tags = field(default_factory=partial(Tags, MOST_SOFTENED))
    evictions: int = 0
    expirations: int = 0
    written_bytes: int = 0
    dropped_bytes: int = 0


class Batch:
    """One batch: changes in order, then `commit`."""

    def __init__(self, tier: TierState, now: float) -> None:
        self._tier = tier
        self._now = now
        self._meta_family = tier.database.meta_family
        self._value_family = tier.database.value_family
        self._metas: dict[bytes, Metadata | None] = {}  # as they will be after the batch
        self._fresh: dict[bytes, None] = {}  # rows put by this batch, in order
        counts = tier.counts
        self._counts = Counts(counts.entries, counts.used_bytes, counts.max_seq, counts.largest)
        self._evictions = 0
        self._expirations = 0
        self._dropped_bytes = 0
        self.rows = WriteBatch(raw_mode=True)

    def apply(self, writes: list[Write]) -> list[int]:
        """Decide all in order; returns their effects."""
        row_keys = [
            b"" if isinstance(write, (Invalidate, InvalidateTags)) else disk_key(write.key)
            for write in writes
        ]
        self._look_up(row_keys)
        counts = self._counts
        counts.max_seq = max(counts.max_seq, *[write.seq for write in writes], 0)
        effects = []
        for row_key, write in zip(row_keys, writes, strict=True):
            match write:
                case Put():
                    effects.append(self._put(row_key, write))
                case Delete():
                    effects.append(self._delete(row_key, write))
                case Invalidate():
                    effects.append(self._invalidate(write))
                case InvalidateTags():
                    effects.append(self._invalidate_tags(write))
                case Renew():
                    effects.append(self._renew(row_key, write))
        return effects

    def touch(self, hits: dict[bytes, int]) -> None:
        """Record the number of uses of each key."""
        row_keys = [disk_key(key) for key in hits]
        self._look_up(row_keys)
        metas, now, family, put = self._metas, self._now, self._meta_family, self.rows.put
        for row_key, count in zip(row_keys, hits.values(), strict=True):
            if (meta := metas[row_key]) is not None:
                frequency = min(meta[FREQUENCY] + count, MAX_FREQUENCY)
                used: Metadata = (meta[SEQ], meta[GONE_AT], now, frequency, meta[SIZE])
                put(row_key, pack_meta((*used, meta[5]) if len(meta) == 6 else used), family)
                self._dropped_bytes += RECORD_BYTES

    @property
    def dropped_bytes(self) -> int:
        return self._dropped_bytes

    def evict(self, spare: int, incoming_bytes: int = 0) -> list[bytes]:
        """Drop entries until the limits hold; returns the live keys among them.

        If an entry has to go, a few more are dropped with it, since finding a sample costs as much
        as choosing from it. A tier that was already over its limits, after a shrink, is made no
        fuller, and emptier by `spare` entries, so that no batch takes long after a shrink.
        `incoming_bytes` are kept free as well.
        """
        evicted: list[bytes] = []
        if self._fits(incoming_bytes):
            return evicted
        lot = min(MOST_IN_LOT, int(self._counts.entries * LOT_SHARE))
        while (want := self._surplus(incoming_bytes)) and (spare > 0 or self._worse()):
            want += lot
            if spare > 0:
                want = min(want, spare)
            victims = self._victims(min(want, VICTIMS_AT_ONCE))
            if not victims:
                break
            for row_key, meta in victims:
                spare -= 1
                if not self.dead(row_key, meta):
                    evicted.append(user_key(row_key))
                    self._evictions += 1
                self.drop(row_key, meta)
                if spare <= 0 and not self._worse():
                    break
                if self._fits(incoming_bytes):
                    if lot == 0:
                        break
                    lot -= 1
        return evicted

    def dead(self, row_key: bytes, meta: Metadata) -> bool:
        """Whether no read would return this version any more."""
        if is_expired(meta[GONE_AT], self._now):
            return True
        invalidations, tags = self._tier.invalidations, self._tier.tags
        return (invalidations.any and invalidations.covers(user_key(row_key), meta[SEQ])) or (
            tags.any and len(meta) == 6 and tags.covers(marks_of(meta), meta[SEQ])
        )

    def drop(self, row_key: bytes, meta: Metadata) -> None:
        """Remove a row; an expired one counts as an expiration."""
        self._discount(meta)
        self.rows.delete(row_key, self._meta_family)
        self.rows.delete(row_key, self._value_family)
        self._metas[row_key] = None
        self._fresh.pop(row_key, None)

    def forget_scope(self, scope: bytes) -> None:
        self.rows.delete(scope_row(scope))

    def forget_tags(self, marks: list[int]) -> None:
        for mark in marks:
            self.rows.delete(tag_row(mark))

    def store_floor(self) -> None:
        """Store the floor of the tags as it is now."""
        self.rows.put(FLOOR_ROW, pack_seq(self._tier.tags.floor))

    def commit(self, *, sync: bool) -> None:
        """Write the batch, if it is not empty. Raises rocksdict's Exception."""
        if self.rows.is_empty():
            return
        tier = self._tier
        self.rows.put(COUNTS_ROW, msgspec.msgpack.encode(self._counts))
        tier.database.write(self.rows, sync=sync, max_seq=self._counts.max_seq)
        grown = self._counts.used_bytes - tier.counts.used_bytes
        tier.written_bytes += grown + self._dropped_bytes
        tier.counts = self._counts
        tier.evictions += self._evictions
        tier.expirations += self._expirations
        tier.dropped_bytes += self._dropped_bytes

    # ---- the three writes

    def _look_up(self, row_keys: list[bytes]) -> None:
        """Read the metadata of rows; without those of no key."""
        metas = self._metas
        wanted = [row_key for row_key in row_keys if row_key and row_key not in metas]
        if wanted:
            found = get_many(self._tier.database.meta, wanted)
            for row_key, row in zip(wanted, found, strict=True):
                metas[row_key] = None if row is None else unpack_meta(row)

    def _put(self, row_key: bytes, put: Put) -> int:
        old = self._metas[row_key]
        effect = NEW
        if old is not None:
            if not self.dead(row_key, old):
                effect = REPLACED
            if old[SEQ] >= put.seq:  # sent again to a new child, or written back late
                return effect
        size = logical_bytes(put)
        meta: Metadata = (put.seq, put.gone_at, self._now, 1, size)
        if put.terms:
            meta = (*meta[:5], tail_of(put))
        if size > self._tier.max_bytes or self._invalidated(put, meta):
            if old is not None:
                self.drop(row_key, old)
            return REFUSED
        if old is not None:
            self._discount(old)
        self._metas[row_key] = meta
        self._fresh[row_key] = None
        self._counts.entries += 1
        self._counts.used_bytes += size
        self._counts.largest = max(self._counts.largest, size)
        self.rows.put(row_key, pack_meta(meta), self._meta_family)
        self.rows.put(row_key, pack_value(put), self._value_family)
        return effect

    def _renew(self, row_key: bytes, renew: Renew) -> int:
        """Of a version that this batch puts, the record can't be read yet: it is renewed later."""
        meta = self._metas[row_key]
        is_it = meta is not None and meta[SEQ] == renew.seq and not self.dead(row_key, meta)
        if not is_it or meta is None or row_key in self._fresh:
            return NEW
        [row] = get_many(self._tier.database.value, [row_key])
        record = None if row is None else renewed_record(renew, row)
        if record is None or meta[GONE_AT] >= renew.gone_at:
            return NEW
        renewed: Metadata = (meta[SEQ], renew.gone_at, *meta[2:])
        self._metas[row_key] = renewed
        self.rows.put(row_key, pack_meta(renewed), self._meta_family)
        self.rows.put(row_key, record, self._value_family)
        self._dropped_bytes += meta[SIZE]
        return NEW

    def _invalidated(self, put: Put, meta: Metadata) -> bool:
        invalidations, tags = self._tier.invalidations, self._tier.tags
        return (invalidations.any and invalidations.covers(put.key, put.seq)) or (
            tags.any and tags.covers(marks_of(meta), put.seq)
        )

    def _delete(self, row_key: bytes, delete: Delete) -> int:
        old = self._metas[row_key]
        if old is None or old[SEQ] > delete.seq:  # a later put was applied before: sent again
            return NEW
        effect = NEW if self.dead(row_key, old) else REPLACED
        self.drop(row_key, old)
        return effect

    def _invalidate(self, write: Invalidate) -> int:
        invalidations = self._tier.invalidations
        if not invalidations.covers(write.scope, write.seq):  # otherwise a later one includes it
            for included in invalidations.add(write.scope, write.seq):
                self.forget_scope(included)
            self.rows.put(scope_row(write.scope), pack_seq(write.seq))
        return NEW

    def _invalidate_tags(self, write: InvalidateTags) -> int:
        if write.soft:
            return self._soften(write)
        tags, softened = self._tier.tags, self._tier.softened
        folded: list[int] = []
        for mark in write.marks:
            if softened.any and softened.discard(mark):
                self.rows.delete(soft_row(mark))
            folded += tags.add(mark, write.seq)
            self.rows.put(tag_row(mark), pack_seq(write.seq))
        tags.raise_floor(write.floor)
        if 0 < softened.floor <= write.floor:
            softened.drop_floor()
            self.rows.delete(soft_row(NO_TAG))
        if folded or write.floor:
            self.forget_tags(folded)
            self.store_floor()
        return NEW

    def _soften(self, write: InvalidateTags) -> int:
        softened = self._tier.softened
        for mark in write.marks:
            for folded in softened.add(mark, write.seq):
                self.rows.delete(soft_row(folded))
            self.rows.put(soft_row(mark), pack_seq(write.seq))
        if softened.floor:
            self.rows.put(soft_row(NO_TAG), pack_seq(softened.floor))
        return NEW

    # ---- room

    def _victims(self, want: int) -> list[tuple[bytes, Metadata]]:
        """Rows to drop, in order: of those on disk, else of those that this batch puts."""
        found = self._candidates(want * SAMPLES_PER_VICTIM)
        if not found:  # the whole sample was put or dropped by this batch
            found = self._candidates(want * SAMPLES_PER_VICTIM + len(self._metas))
        if not found:
            return [(key, meta) for key in islice(self._fresh, want) if (meta := self._metas[key])]
        score, now = self._tier.score, self._now
        found.sort(key=lambda row: score(row[1]))
        # Inline, as in `life.is_expired`: this compares five rows for each victim.
        tier = self._tier
        if (tier.invalidations.any or tier.tags.any) or any(
            meta[GONE_AT] <= now for _, meta in found
        ):
            found.sort(key=lambda row: not self.dead(*row))
        return found[:want]

    def _candidates(self, count: int) -> list[tuple[bytes, Metadata]]:
        metas, fresh = self._metas, self._fresh
        rows = sample(self._tier.database.meta, count, self._tier.rng)
        found = [(row_key, unpack_meta(row)) for row_key, row in rows if row_key not in metas]
        if len(found) < len(rows):
            found += [
                (row_key, meta)
                for row_key, _ in rows
                if row_key not in fresh and (meta := metas.get(row_key)) is not None
            ]
        return found

    def _surplus(self, incoming_bytes: int) -> int:
        """The approximate number of entries to drop: at least one while a limit is exceeded."""
        counts, tier = self._counts, self._tier
        surplus = max(0, counts.entries - tier.max_entries)
        over_bytes = counts.used_bytes + incoming_bytes - tier.max_bytes
        if over_bytes > 0 and counts.entries:
            average = max(1, counts.used_bytes // counts.entries)
            surplus = max(surplus, 1, over_bytes // average)
        return surplus

    def _fits(self, incoming_bytes: int) -> bool:
        counts, tier = self._counts, self._tier
        return (
            counts.entries <= tier.max_entries
            and counts.used_bytes + incoming_bytes <= tier.max_bytes
        )

    def _worse(self) -> bool:
        """Whether this batch leaves the tier over a limit by more than before."""
        counts, before, tier = self._counts, self._tier.counts, self._tier
        return counts.entries > max(tier.max_entries, before.entries) or (
            counts.used_bytes > max(tier.max_bytes, before.used_bytes)
        )

    def _discount(self, meta: Metadata) -> None:
        if is_expired(meta[GONE_AT], self._now):
            self._expirations += 1
        self._counts.entries -= 1
        self._counts.used_bytes -= meta[SIZE]
        self._dropped_bytes += meta[SIZE]
