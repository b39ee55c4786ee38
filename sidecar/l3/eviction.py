"""Which entries L3 evicts: the worst of a sample, by a score over stored metadata.

Ordering ten million keys would take memory for each; a sample of five per victim performs nearly as
well (Redis' approximated LRU, 2014; Psounis and Prabhakar, "Efficient randomized web-cache
replacement schemes using samples from past eviction times", 2002). Row keys begin with a hash, so
the rows after a random seek are a fair sample.
"""

from __future__ import annotations

import random

from rocksdict import Rdict

from sidecar.l3.database import rows_from
from sidecar.model.order import HASH_BYTES

SAMPLES_PER_VICTIM = 5


def sample(meta: Rdict, count: int, rng: random.Random) -> list[tuple[bytes, bytes]]:
    """Up to `count` rows from a random position, wrapping around once at the end."""
    start = rng.randbytes(HASH_BYTES)
    found = rows_from(meta, start, count)
    if len(found) < count:
        for row in rows_from(meta, b"", count - len(found)):
            if row[0] >= start:
                break
            found.append(row)
    return found
