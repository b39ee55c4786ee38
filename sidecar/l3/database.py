"""RocksDB for L3: its options, its column families, opening, and its properties.

The options implement three bounds. Memory grows by the indexes and filters of open tables, so that
a read loads one block: by 4 bytes for an entry of 256 bytes, by 10 for one of 4 KiB, which has a
block of its own, and by up to 50 for one of 64 KiB, as a table has few of them (keys of 30 bytes).
All other caches are small. The folder stays close to the live bytes: memtables and tables are
small, so that a compaction needs little extra room, and files of mostly deleted rows are compacted
early. An answered write is in the log: every write goes through it.

The history has no hole: a log that was closed is checked against the manifest
(`rocksdb/OPTIONS-000001` has the one option that only a file can set), the families are flushed
together, and how far the last log should go is known to the witness.

One file of more than 300 lines, since each option rests on what the others bound.
"""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

from rocksdict import (
    BlockBasedOptions,
    Cache,
    ColumnFamily,
    CompactOptions,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    Rdict,
    WriteBatch,
    WriteOptions,
)

from sidecar.l3.manifest import has_manifest, manifest_of
from sidecar.l3.record import EMPTY_RECORD
from sidecar.l3.wire import BUFFERS_VARIABLE
from sidecar.l3.witness import WITNESS, DamagedWitnessError, Mark, Marked, boot_id, read_mark

CORRUPT = re.compile(
    "Corruption"
    "|No such file or directory: While open"  # a manifest or a table has been removed
    "|^unpack_from requires a buffer"  # a row of metadata is too short
    "|^Invalid argument:"  # written with other column families
    "|^Not implemented:"  # written by a newer RocksDB
)
FORMAT: Final = 1
"""The version of the row format. A folder without a version is older than this field, and has this
format too.

Fields may be appended to a row without a new version: an older program ignores them. A new version
is for changes that an older program would misread.
"""
FORMAT_ROW = b"format"
WITNESS_ROW = b"witness"
"""Present once the folder has had a witness, so that a missing one is noticed."""
OPTIONS_FOLDER = Path(__file__).with_name("rocksdb")

MIB = 1 << 20
BUFFERS_BYTES = 24 * MIB
"""What the block cache and the memtables share, unless the environment states less."""
CACHE_PART, MEMTABLE_PART, META_MEMTABLE_PART = 3, 6, 12
"""The parts of them: a third, and two memtables each with a sixth and a twelfth."""
MEMTABLE_BLOOM_SHARE = 0.02
"""The size of a memtable's Bloom filter, relative to it: 13 bits for a row of 80 bytes."""
META_INDEX_INTERVAL = 1
VALUE_INDEX_INTERVAL = 16
"""How many keys of an index share one full key; the others store what differs. It halves the index
of large values, whose blocks have one row, and costs reads nothing that can be measured there. The
index of the metadata is small in any case."""
LOG_BYTES = 12 * MIB
TABLE_BYTES = 4 * MIB
SYNC_BYTES = MIB
"""How much of a log is fsynced at a time, beside the writes. The rest is fsynced when the log is
closed, and writes wait for that: it takes 15 ms for a whole log, and 2 ms for the last of it.
"""
OPEN_TABLES = 4096
"""The most tables that stay open: to open one for a read costs more than the read. They have 4 to
16 MiB each."""
OTHER_FILES = 64
"""The descriptors of the process that are not for tables."""


class HoleError(Exception):
    """Writes that were acknowledged are missing, so that older versions would be back."""


class Database:
    """An open database. Not thread-safe, except for `compact`."""

    def __init__(self, path: Path, *, share: int = 1) -> None:
        """Open or create it, as one of `share` databases that are open at a time.

        Raises rocksdict's Exception with RocksDB's own words, OSError, and HoleError if a part of
        its history is missing.
        """
        buffers = int(os.environ.get(BUFFERS_VARIABLE, BUFFERS_BYTES)) // share
        cache = Cache(buffers // CACHE_PART)
        families = {
            "meta": _family_options(
                _table(cache, META_INDEX_INTERVAL),
                DBCompressionType.none(),
                buffers // META_MEMTABLE_PART,
            ),
            "value": _family_options(
                _table(cache, VALUE_INDEX_INTERVAL),
                DBCompressionType.lz4(),
                buffers // MEMTABLE_PART,
            ),
        }
        self._path = path
        _check_manifest(path)
        self._db = Rdict(str(path), _options(cache), column_families=families)
        self.meta = self._db.get_column_family("meta")
        self.value = self._db.get_column_family("value")
        self.state = self._db.get_column_family("default")
        self.meta_family: ColumnFamily = self._db.get_column_family_handle("meta")
        self.value_family: ColumnFamily = self._db.get_column_family_handle("value")
        self._version: int | None = None  # of the default family, which every batch writes to
        self._synced = WriteOptions()
        self._synced.sync = True
        self._unsynced_bytes = 0
        self._syncing: Future[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sync")
        try:
            self._mark = Mark(path, EMPTY_RECORD, self._check_history(path))
            self._note_manifest()
            self._note(synced=True)  # opening has flushed what the logs had
            if self.state.get(WITNESS_ROW) is None:
                self.state[WITNESS_ROW] = b""
                self._db.flush()
        except BaseException:  # else the folder would stay locked
            self._release()
            raise

    def write(self, batch: WriteBatch, *, sync: bool, max_seq: int = 0) -> None:
        """Write a batch atomically. It is in the log when this returns, fsynced if requested.

        `max_seq` is the highest number of a write so far, if the batch has any.
        """
        if sync:
            self._db.write(batch, self._synced)
        else:
            self._unsynced_bytes += batch.size_in_bytes()
            self._db.write(batch)
            if self._unsynced_bytes >= SYNC_BYTES:
                self._sync_aside()
        if self._has_switched():
            self._close_log()
        if max_seq:
            self._mark.max_seq = max_seq
        self._note(synced=sync)

    def note_flushes(self) -> None:
        """Note those that ended since the last write. Raises OSError."""
        if self._has_switched():
            self._close_log()
            self._note(synced=False)

    def note_damage(self) -> None:
        """Let the next start copy what can be read, instead of opening it. Raises OSError."""
        self._mark.damaged = True
        self._note(synced=False)

    def format_version(self) -> int | None:
        """The version of its rows; None if the folder has no version."""
        row: bytes | None = self.state.get(FORMAT_ROW)
        return None if row is None else int.from_bytes(row, "little")

    def mark_format(self) -> None:
        """Store the version that this program writes."""
        self.state[FORMAT_ROW] = FORMAT.to_bytes(4, "little")

    def compact(self) -> None:
        """Rewrite all tables without dead rows. Takes minutes; releases the interpreter lock.

        The counters are flushed first: until then, RocksDB keeps every log since their last flush.
        """
        options = CompactOptions()
        options.set_exclusive_manual_compaction(False)
        self.state.flush()
        self.meta.compact_range(None, None, options)
        self.value.compact_range(None, None, options)

    def cancel_compaction(self) -> None:
        self._db.cancel_all_background(False)

    def pending_compaction_bytes(self) -> int:
        families = (self.meta, self.value)
        name = "rocksdb.estimate-pending-compaction-bytes"
        return sum(family.property_int_value(name) or 0 for family in families)

    def close(self) -> None:
        """Flush, so that the next start has no log to replay, and release the lock."""
        self.flush()
        self.release()

    def flush(self) -> None:
        """Write what is only in the log to tables. Raises rocksdict's Exception."""
        self._db.flush()
        self._note_manifest()
        self._note(synced=True)

    def release(self) -> None:
        """Release the lock, without a flush."""
        self._mark.close()
        self._release()

    def _sync_aside(self) -> None:
        """Start to fsync the log, unless that is in progress. After an error of it RocksDB refuses
        to write, so that the next write raises it.
        """
        if self._syncing is None or self._syncing.done():
            self._unsynced_bytes = 0
            self._syncing = self._thread.submit(self._db.flush_wal, True)

    def _has_switched(self) -> bool:
        """Whether memtables were switched or flushed since the last call, which costs half a
        microsecond.
        """
        version = self.state.property_int_value("rocksdb.current-super-version-number")
        has_switched = version != self._version
        self._version = version
        return has_switched

    def _close_log(self) -> None:
        """If the write has begun another log, note the one before in the manifest, which fsyncs it.
        RocksDB does so only when the log's memtables are flushed, and notices before neither that
        it is missing nor that it is empty.
        """
        if self.state.property_int_value("rocksdb.num-immutable-mem-table"):
            self._db.flush_wal(True)
        self._note_manifest()

    def _note(self, *, synced: bool) -> None:
        self._mark.note(self._db.latest_sequence_number(), synced=synced)

    def _note_manifest(self) -> None:
        with suppress(OSError, ValueError):  # it is being replaced: later then
            self._mark.manifest = manifest_of(self._path, self._mark.manifest)

    def _check_history(self, path: Path) -> Marked | None:
        """What was noted last, if anything was. Raises HoleError."""
        try:
            marked = read_mark(path)
        except DamagedWitnessError as error:
            if self.state.get(WITNESS_ROW) is not None:
                raise HoleError(f"Corruption: {path / WITNESS}: {error}") from None
            return None  # the folder is new, or from before there was a witness
        if marked is None:
            if self.state.get(WITNESS_ROW) is not None:
                raise HoleError(f"Corruption: {path / WITNESS} is empty")
            return None
        found, least = self._db.latest_sequence_number(), marked.least_seq(boot_id())
        if found < least:
            raise HoleError(f"Corruption: the log ends at write {found} instead of {least}")
        return marked

    def _release(self) -> None:
        self._thread.shutdown()
        with suppress(Exception):  # of a flush: what it cannot write is in the log
            for family in (self.meta, self.value, self.state):
                family.close()
            self._db.close()
        # RocksDB is closed with the last reference. Until then it holds the lock, and may delete
        # files by their paths, which may soon be those of another database.
        del self.meta, self.value, self.state, self.meta_family, self.value_family, self._db


def _check_manifest(path: Path) -> None:
    """Raises HoleError if the manifest lacks something that it had, or is an earlier one. RocksDB
    begins a new one when it opens a database, so it has to be looked at before.
    """
    try:
        marked = read_mark(path)
        is_whole = marked is None or has_manifest(path, marked.manifest)
    except (DamagedWitnessError, OSError, ValueError):
        return  # what that means is told later
    if not is_whole:
        raise HoleError("Corruption: the manifest lacks something that it had")


def get_each(family: Rdict, keys: list[bytes]) -> tuple[list[bytes | None], int]:
    """The rows of `keys`, and how many of them are in a damaged block, which count as absent.

    RocksDB raises for all keys if one of them is. Then they are read one by one.
    """
    try:
        return get_many(family, keys), 0
    except Exception as error:
        if not is_corruption(error):
            raise
    rows: list[bytes | None] = []
    damaged = 0
    for key in keys:
        try:
            rows.append(family.get(key))
        except Exception as error:
            if not is_corruption(error):
                raise
            rows.append(None)
            damaged += 1
    return rows, damaged


def get_many(family: Rdict, keys: list[bytes]) -> list[bytes | None]:
    """The rows of `keys`. Unlike `get` of one key, this releases the interpreter lock."""
    return cast(list[bytes | None], family.get(cast(Any, keys)))


def rows_from(family: Rdict, start: bytes, count: int) -> list[tuple[bytes, bytes]]:
    """The `count` rows from `start` on. Raises rocksdict's Exception if they cannot be read.

    Uses a new iterator each time, since an iterator sees the rows of its creation. `items` steps
    without Python between the rows, but ends after an error as it does at the end. So what it does
    not give is asked for again, of an iterator that has a status.
    """
    rows_on = cast(Iterator[tuple[bytes, bytes]], family.items(from_key=start))
    found = list(islice(rows_on, count))
    if len(found) == count:
        return found
    rows = family.iter()
    rows.seek(found[-1][0] + b"\0" if found else start)  # no key lies between
    while len(found) < count and rows.valid():
        found.append((rows.key(), rows.value()))
        rows.next()
    if len(found) < count:
        rows.status()
    return found


def open_tables(most_files: int) -> int:
    """OPEN_TABLES, or fewer where the process may not have as many files."""
    if most_files == resource.RLIM_INFINITY:  # -1
        return OPEN_TABLES
    return max(OTHER_FILES, min(OPEN_TABLES, most_files - OTHER_FILES))


def is_corruption(error: BaseException) -> bool:
    """Whether an error, in RocksDB's words, is of the files, and not of the volume."""
    return CORRUPT.search(str(error)) is not None


def _options(cache: Cache) -> Options:
    options, _ = Options.load_latest(str(OPTIONS_FOLDER))
    options.set_atomic_flush(True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    options.set_block_based_table_factory(_table(cache, META_INDEX_INTERVAL))
    options.set_max_total_wal_size(LOG_BYTES)
    options.set_wal_recovery_mode(DBRecoveryMode.point_in_time())
    options.set_max_background_jobs(2)
    most_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    options.set_max_open_files(open_tables(most_files))
    options.set_skip_stats_update_on_db_open(True)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(MIB)
    options.set_max_manifest_file_size(4 * MIB)
    options.set_bytes_per_sync(MIB)
    return options


def _family_options(
    table: BlockBasedOptions, compression: DBCompressionType, memtable_bytes: int
) -> Options:
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(table)
    options.set_compression_type(compression)
    options.set_write_buffer_size(memtable_bytes)
    options.set_max_write_buffer_number(2)
    # Every read asks both memtables first, and searching a skip list costs a dozen cache misses.
    options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_SHARE)
    options.set_memtable_whole_key_filtering(True)
    options.set_level_zero_file_num_compaction_trigger(2)
    options.set_level_compaction_dynamic_level_bytes(True)
    options.set_max_bytes_for_level_base(4 * TABLE_BYTES)
    options.set_target_file_size_base(TABLE_BYTES)
    options.set_target_file_size_multiplier(2)
    options.set_max_compaction_bytes(6 * TABLE_BYTES)
    options.add_compact_on_deletion_collector_factory(1024, 512, 0.5)
    return options


def _table(cache: Cache, index_interval: int) -> BlockBasedOptions:
    table = BlockBasedOptions()
    table.set_block_cache(cache)
    table.set_bloom_filter(10, False)
    table.set_index_block_restart_interval(index_interval)
    table.set_cache_index_and_filter_blocks(False)
    return table
