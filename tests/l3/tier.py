"""The engine over a real RocksDB in a folder of the test, and the actual contents of the disk."""

from __future__ import annotations

import gc
import math
import random
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rocksdict import Rdict

from sidecar.catalogue import CATALOGUE
from sidecar.l3 import wire
from sidecar.l3.database import Database
from sidecar.l3.engine import Engine
from sidecar.l3.records import unpack_meta, user_key
from sidecar.model.metadata import SIZE, Metadata
from sidecar.model.terms import Terms
from sidecar.model.writes import Delete, Invalidate, Put, Write

SCORES = CATALOGUE.policies.scores


class Tier:
    """An engine with its own clock and write numbers. `reopen` and `crash` restart it."""

    def __init__(
        self,
        folder: Path,
        *,
        policy: str = "lru",
        max_entries: int = 1_000_000,
        max_bytes: int = 1 << 40,
        seed: int = 1,
    ) -> None:
        self.folder = folder
        self.now = 1_000_000.0
        self.seq = 0
        self.policy = policy
        self.limits = wire.Configure(SCORES[policy], max_entries, max_bytes)
        self._seed = seed
        self._lives = 0
        self.open()

    def open(self) -> None:
        self.database = Database(self.folder)
        self.engine = Engine(self.database, random.Random(self._seed + self._lives))
        self.engine.configure(self.limits)
        self._lives += 1

    def close(self) -> None:
        """Close it. RocksDB's lock is released with the last reference to it."""
        self.database.close()
        self._let_go()

    def reopen(self) -> None:
        self.close()
        self.open()

    def crash(self) -> None:
        """Continue with a copy of the current folder, which is what a kill -9 leaves."""
        copy = self.folder.with_name(f"{self.folder.name}.{self._lives}")
        copy_at_one_moment(self.folder, copy)
        self.close()
        shutil.rmtree(self.folder)
        self.folder = copy
        self.open()

    def configure(self, policy: str, max_entries: int, max_bytes: int) -> None:
        self.policy = policy
        self.limits = wire.Configure(SCORES[policy], max_entries, max_bytes)
        self.engine.configure(self.limits)

    # ---- operations

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def a_put(
        self,
        key: bytes,
        value: bytes = b"value",
        ttl: float = math.inf,
        terms: Terms | None = None,
    ) -> Put:
        times = (self.now, self.now + ttl)
        put = Put(key, self.next_seq(), *times, "text/plain", len(value), value)
        if terms is not None:
            put.terms = terms.bytes
        return put

    def write(
        self, *writes: Write, touches: dict[bytes, int] | None = None
    ) -> tuple[list[int], list[bytes]]:
        met = self.engine.write(list(writes), self.now, sync=False)
        self.engine.touch(touches or {}, self.now)
        return met

    def put(self, key: bytes, value: bytes = b"value", ttl: float = math.inf) -> int:
        return self.write(self.a_put(key, value, ttl))[0][0]

    def delete(self, key: bytes) -> int:
        return self.write(Delete(key, self.next_seq()))[0][0]

    def invalidate(self, scope: bytes) -> None:
        self.write(Invalidate(scope, self.next_seq()))

    def value(self, key: bytes) -> bytes | None:
        row = self.engine.read([key])[0]
        return None if row is None else wire.decode_record(row).value

    def has(self, keys: list[bytes]) -> list[bool]:
        return [row is not None for row in self.engine.read(keys)]

    def sweep(self) -> None:
        while not self.engine.sweep(self.now):
            pass

    def drain(self) -> list[bytes]:
        evicted = []
        while self.engine.over():
            evicted += self.engine.drain(self.now)
        return evicted

    def keys(self, scope: bytes = b"", limit: int = 7) -> list[bytes]:
        """All pages below a scope."""
        keys: list[bytes] = []
        cursor: bytes | None = b""
        while cursor is not None:
            page = self.engine.page(wire.ListKeys(scope, cursor, limit), self.now)
            assert len(page.keys) <= limit
            keys += [listed.key for listed in page.keys]
            cursor = page.cursor
        return keys

    # ---- what the disk has

    def rows(self) -> dict[bytes, Metadata]:
        return {user_key(key): unpack_meta(row) for key, row in scan(self.database.meta)}

    def check_counters(self) -> None:
        """The counters equal the contents, and each entry has both of its rows."""
        rows = self.rows()
        values = {
            user_key(key): wire.decode_record(row).seq for key, row in scan(self.database.value)
        }
        assert values == {key: meta[0] for key, meta in rows.items()}
        assert self.engine.entries == len(rows)
        assert self.engine.used_bytes == sum(meta[SIZE] for meta in rows.values())

    def check_limits(self) -> None:
        assert self.engine.entries <= self.limits.max_entries
        assert self.engine.used_bytes <= self.limits.max_bytes

    def _let_go(self) -> None:
        del self.engine, self.database
        gc.collect()


def copy_at_one_moment(folder: Path, copy: Path) -> None:
    """Copy a folder repeatedly until nothing has changed meanwhile."""

    def state() -> list[tuple[str, int]]:
        return sorted((file.name, file.stat().st_size) for file in folder.iterdir())

    while True:
        with suppress(FileNotFoundError, shutil.Error):
            before = state()
            shutil.copytree(folder, copy)
            if state() == before:
                return
        shutil.rmtree(copy, ignore_errors=True)


def scan(family: Rdict) -> Iterator[tuple[bytes, bytes]]:
    rows = family.iter()
    rows.seek_to_first()
    while rows.valid():
        yield rows.key(), rows.value()
        rows.next()
    rows.status()
