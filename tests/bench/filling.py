"""What servers hold before they are measured: values, and the ways to put them."""

from __future__ import annotations

import itertools
import json
import random
import socket
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path

import msgspec

from sidecar.l3 import wire
from tests.l3.children import RunningChild, put

SEED = 20240607
MIB = 1 << 20
AT_ONCE = 1000
"""Keys in a batch."""
REDIS_KEY = b"key:%012d"
"""The keys of redis-benchmark."""
IN_FLIGHT = 2
"""Frames on their way to L3."""

Values = Callable[[random.Random, int], Iterator[bytes]]
"""Endless values of one size in bytes."""


def noise(rng: random.Random, size: int) -> Iterator[bytes]:
    """Random bytes, which do not compress."""
    while True:
        yield rng.randbytes(size)


def documents(rng: random.Random, size: int) -> Iterator[bytes]:
    """JSON as an application caches it: a number, then one of a thousand lists of records."""
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(500)]
    lists = [
        json.dumps([_record(rng, words) for _ in range(size // 150 + 1)]).encode()
        for _ in range(1000)
    ]
    for number in itertools.count():
        head = b'{"number": %d, "records": ' % number
        yield head + lists[number % 1000][: size - len(head)]


def _record(rng: random.Random, words: list[str]) -> dict[str, object]:
    first, last, *tags = rng.choices(words, k=5)
    return {
        "id": rng.randrange(10**9),
        "name": f"{first} {last}",
        "email": f"{first}.{last}@example.com",
        "active": rng.random() < 0.8,
        "balance": round(rng.uniform(0, 10**4), 2),
        "tags": tags,
        "created_at": f"2024-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}T12:00:00Z",
    }


def mset(port: int, values: Iterable[bytes], start: int = 0) -> None:
    """Put values in a sidecar, in batches of about 1 MiB."""
    batch: list[dict[str, object]] = []
    size = 0
    for number, value in enumerate(values, start):
        batch.append({"key": f"key{number}", "value": value})
        size += len(value)
        if len(batch) == AT_ONCE or size >= MIB:
            _mset(port, batch)
            batch, size = [], 0
    if batch:
        _mset(port, batch)


def _mset(port: int, entries: list[dict[str, object]]) -> None:
    body = msgspec.msgpack.encode({"namespace": "bench", "entries": entries})
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/mset",
        body,
        {"Content-Type": "application/msgpack"},
        method="POST",
    )
    urllib.request.urlopen(request).read()


def put_each(port: int, values: Iterable[bytes]) -> None:
    """Put values one by one, over HTTP."""
    connection = HTTPConnection("127.0.0.1", port)
    for number, value in enumerate(values):
        connection.request("PUT", f"/v1/cache/bench/key{number}", value)
        connection.getresponse().read()
    connection.close()


def redis_set(port: int, values: Iterable[bytes], key: bytes = b"key%d") -> None:
    """Put values over the Redis protocol, in pipelines of about 1 MiB."""
    keyed = ((key % number, value) for number, value in enumerate(values))
    with (
        socket.create_connection(("127.0.0.1", port)) as connection,
        connection.makefile("rb") as replies,
    ):
        for first in keyed:
            at_once = max(1, min(AT_ONCE, MIB // len(first[1])))
            batch = [first, *islice(keyed, at_once - 1)]
            connection.sendall(b"".join(_set(*each) for each in batch))
            for _ in batch:
                if (reply := replies.readline()) != b"+OK\r\n":
                    raise RuntimeError(f"a value was not taken: {reply.decode()}")


def _set(key: bytes, value: bytes) -> bytes:
    return b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(key), key, len(value), value)


def write_l3(data: Path, values: Iterable[bytes]) -> None:
    """Put values in a folder of L3 before a sidecar opens it, through L3's process."""
    child = RunningChild(data)
    child.hello()
    child.send(call=wire.Configure("sidecar.policies.lru:score", 1 << 30, 1 << 40))
    keyed = enumerate(values)
    owed = 0
    while batch := list(islice(keyed, AT_ONCE)):
        child.send(*(put(b"bench/key%d" % number, value, number + 1) for number, value in batch))
        owed += len(batch)
        while owed > IN_FLIGHT * AT_ONCE:
            owed -= len(child.receive().writes)
    child.answers(writes=owed)
    child.close()
