"""What the engine relies on beyond RocksDB's own promises."""

from __future__ import annotations

import random
import resource
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest
from rocksdict import Rdict

from sidecar.l3.database import OPEN_TABLES, OTHER_FILES, Database, open_tables, rows_from
from tests.l3.conftest import OpenTier

SEED = 20241129


class Interrupted:
    """A family whose `items` meet an error that does not repeat: they end after some rows."""

    def __init__(self, family: Rdict, after: int) -> None:
        self.iter = family.iter
        self._family = family
        self._after = after

    def items(self, from_key: bytes) -> Iterator[Any]:
        return islice(self._family.items(from_key=from_key), self._after)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "db")
    yield database
    database.close()


@pytest.mark.parametrize("after", [0, 1, 3, 49, 50])
@pytest.mark.parametrize(("start", "count"), [(0, 10), (0, 50), (0, 51), (20, 10), (45, 10)])
def test_an_early_end_of_the_rows_is_no_end(
    database: Database, after: int, start: int, count: int
) -> None:
    """The remaining rows follow, up to the count. The sweep takes an end for the end of a pass."""
    rows = [(b"key%02d" % number, b"%d" % number) for number in range(50)]
    for key, value in rows:
        database.meta[key] = value
    family = cast(Rdict, Interrupted(database.meta, after))
    assert rows_from(family, rows[start][0], count) == rows[start:][:count]


@pytest.mark.parametrize(("size", "count"), [(256, 50_000), (4096, 5000)])
def test_open_tables_need_little_memory_for_each_entry(
    open_tier: OpenTier, size: int, count: int
) -> None:
    """At most 16 bytes, whether a block has many values or one."""
    tier = open_tier()
    rng = random.Random(SEED)
    for start in range(0, count, 1000):
        keys = [b"ns/%027d" % number for number in range(start, start + 1000)]
        tier.write(*(tier.a_put(key, rng.randbytes(size)) for key in keys))
    families = (tier.database.meta, tier.database.value)
    for family in families:
        family.flush()
    sizes = [family.property_int_value("rocksdb.estimate-table-readers-mem") for family in families]
    assert 0 < sum(size or 0 for size in sizes) <= 16 * count


@pytest.mark.parametrize(
    ("most_files", "tables"),
    [
        (resource.RLIM_INFINITY, OPEN_TABLES),
        (1 << 20, OPEN_TABLES),
        (1024, 1024 - OTHER_FILES),
        (50, OTHER_FILES),
    ],
)
def test_tables_stay_open_as_far_as_files_are_allowed(most_files: int, tables: int) -> None:
    """Without a limit as many as with a high one; always enough to work with."""
    assert open_tables(most_files) == tables
