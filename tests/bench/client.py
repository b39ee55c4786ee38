"""`python -m tests.bench.client KIND WHERE COMMAND KEYS BYTES SECONDS`: one client in Python.

It gets or sets one random key after the other, and prints its `Load` as JSON. Its server is one of
the Redis protocol on a port; diskcache has none, and works in the process of the client.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import diskcache
import msgspec
import redis

from tests.bench.filling import REDIS_KEY, SEED
from tests.bench.load import Load


class Client(NamedTuple):
    get: Callable[[str], object]
    set: Callable[[str, bytes], object]


def redis_py(port: str) -> Client:
    client = redis.Redis(port=int(port))
    client.ping()
    return Client(client.get, client.set)


def in_process(folder: str) -> Client:
    cache = diskcache.Cache(folder)
    return Client(cache.get, cache.set)


KINDS: dict[str, Callable[[str], Client]] = {"redis-py": redis_py, "diskcache": in_process}


def run(
    client: Client,
    command: str,
    keys: int,
    size: int,
    seconds: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Load:
    """A GET that finds nothing is counted as an error."""
    rng = random.Random(SEED)
    names = [(REDIS_KEY % number).decode() for number in range(keys)]
    asked = rng.choices(names, k=100_000)
    value = rng.randbytes(size)
    ask = client.get if command == "get" else lambda key: client.set(key, value)
    took: list[float] = []
    errors = 0
    now = began = clock()
    while now < began + seconds:
        before = now
        errors += ask(asked[len(took) % len(asked)]) is None
        now = clock()
        took.append(now - before)
    took.sort()
    p50, p99, p999 = (took[int(len(took) * share)] for share in (0.5, 0.99, 0.999))
    return Load(len(took), now - began, errors, p50, p99, p999)


if __name__ == "__main__":
    kind, where, chosen, *numbers = sys.argv[1:]
    load = run(KINDS[kind](where), chosen, *map(int, numbers))
    sys.stdout.buffer.write(msgspec.json.encode(load))
