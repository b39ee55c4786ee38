"""Which entries L3 evicts: the worst of a sample, by a score over stored metadata.

Ordering ten million keys would take memory for each; a sample of five per victim performs nearly as
well (Redis' approximated LRU, 2014; Psounis and Prabhakar, "Efficient randomized web-cache
replacement schemes using samples from past eviction times", 2002). Row keys begin with a hash, so
the rows after a random seek are a fair sample.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from typing import cast

from rocksdict import Rdict

from sidecar.l3.records import HASH_BYTES

SAMPLES_PER_VICTIM = 5


def sample(meta: Rdict, count: int, rng: random.Random) -> list[tuple[bytes, bytes]]:
    """Up to `count` rows from a random position, wrapping around once at the end.

    Uses a new iterator each time, since an iterator sees the rows of its creation.
    """
    start = rng.randbytes(HASH_BYTES)
    found = _rows(meta, start, count)
    if len(found) < count:
        for row in _rows(meta, b"", count - len(found)):
            if row[0] >= start:
                break
            found.append(row)
    return found


def _rows(meta: Rdict, start: bytes, count: int) -> list[tuple[bytes, bytes]]:
    """The `count` rows from `start` on. Raises rocksdict's Exception if they cannot be read."""
    rows_on = cast(Iterator[tuple[bytes, bytes]], meta.items(from_key=start))
    found = list(islice(rows_on, count))
    if len(found) < count:  # the end; `items` also ends like this after an error
        rows = meta.iter()
        rows.seek(found[-1][0] if found else start)
        while rows.valid():
            rows.next()
        rows.status()
    return found
