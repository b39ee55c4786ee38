"""Which entries leave L3: the oldest of a sample, by a score over stored metadata.

Keeping ten million keys in order takes memory for each; a sample of five per victim does nearly as
well (Redis' approximated LRU, 2014; Psounis and Prabhakar, "Efficient randomized web-cache
replacement schemes using samples from past eviction times", 2002). Row keys begin with a hash, so
one seek to a random place and the rows behind it are a fair sample.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

from rocksdict import Rdict

from sidecar.l3.records import HASH_BYTES, Meta, unpack_meta

SAMPLES_PER_VICTIM = 5

Score = Callable[[Meta], float | tuple[float, float]]
"""The entry with the lowest score leaves first."""

SCORES: Mapping[str, Score] = {
    "lru": lambda meta: meta.accessed_at,
    "lfu": lambda meta: (meta.frequency, meta.accessed_at),
    "fifo": lambda meta: meta.seq,
    "ttl": lambda meta: meta.expires_at,
    "random": lambda meta: 0.0,
}


def sample(meta: Rdict, count: int, rng: random.Random) -> Iterator[tuple[bytes, Meta]]:
    """Up to `count` rows from a random place on, going round once at the end.

    A new iterator each time: one that is kept sees the rows of its birth.
    """
    rows = meta.iter()
    start = rng.randbytes(HASH_BYTES)
    rows.seek(start)
    wrapped = False
    for _ in range(count):
        if not rows.valid():
            rows.status()  # raises if the end is an error
            if wrapped:
                return
            wrapped = True
            rows.seek_to_first()
            if not rows.valid():
                return
        key = rows.key()
        if wrapped and key >= start:
            return
        yield key, unpack_meta(rows.value())
        rows.next()
