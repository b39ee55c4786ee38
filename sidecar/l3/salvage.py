"""Copies what can be read of a database with damaged tables.

RocksDB's own repair brings deleted and replaced rows back, so a copy is made instead. An entry is
copied if both of its rows can be read and are of the same write; so the copy may lack entries, and
has no older version of any.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import msgspec
from rocksdict import WriteBatch

from sidecar.l3 import wire
from sidecar.l3.batch import COUNTS_ROW, Counts, counts_of
from sidecar.l3.database import WITNESS_ROW, Database, get_each, rows_from
from sidecar.l3.records import unpack_meta
from sidecar.model.metadata import SEQ, SIZE, Metadata

ROWS_AT_ONCE = 64


class Salvaged(NamedTuple):
    """The numbers of entries."""

    copied: int
    lost: int


def salvage(damaged: Path, copy: Path) -> Salvaged:
    """Copy a database to a new folder. Raises rocksdict's Exception if its metadata is damaged, and
    HoleError. Both are released in any case: the caller moves their folders.
    """
    source = Database(damaged, share=2)
    try:
        target = Database(copy, share=2)
        try:
            salvaged = _copy(source, target)
            target.flush()
        finally:
            target.release()
    finally:
        source.release()
    return salvaged


def _copy(source: Database, target: Database) -> Salvaged:
    counts = Counts(max_seq=_copy_state(source, target), largest=0)
    lost = 0
    start = b""
    while rows := rows_from(source.meta, start, ROWS_AT_ONCE):
        start = rows[-1][0] + b"\0"
        batch = WriteBatch(raw_mode=True)
        values, _ = get_each(source.value, [key for key, _ in rows])
        for (key, row), value in zip(rows, values, strict=True):
            if value is None or (meta := _meta_of(row, value)) is None:
                lost += 1
                continue
            batch.put(key, row, target.meta_family)
            batch.put(key, value, target.value_family)
            counts.entries += 1
            counts.used_bytes += meta[SIZE]
            counts.largest = max(counts.largest, meta[SIZE])
        batch.put(COUNTS_ROW, msgspec.msgpack.encode(counts))
        target.write(batch, sync=False)
    return Salvaged(counts.entries, lost)


def _meta_of(row: bytes, value: bytes) -> Metadata | None:
    """The metadata of an entry with these rows; None unless both are of the same write."""
    try:
        meta = unpack_meta(row)
        return meta if wire.decode_record(value).seq == meta[SEQ] else None
    except (struct.error, *wire.UNDECODABLE):
        return None


def _copy_state(source: Database, target: Database) -> int:
    """Copy all but the counters, of which the highest write number is returned."""
    max_seq = 0
    batch = WriteBatch(raw_mode=True)
    start = b""
    while rows := rows_from(source.state, start, ROWS_AT_ONCE):
        start = rows[-1][0] + b"\0"
        for key, row in rows:
            if key == COUNTS_ROW:
                max_seq = counts_of(row).max_seq
            elif key != WITNESS_ROW:
                batch.put(key, row)
    target.write(batch, sync=False)
    return max_seq
