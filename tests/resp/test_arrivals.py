"""What arrives in one turn of the loop, of many clients: each has its own replies, in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.config.values import CacheConfig
from sidecar.resp.arrivals import MOST_BYTES, SMALL_BYTES
from tests.resp.servers import encoded
from tests.resp.serving import Served, serving
from tests.running import PATIENCE_SECONDS

SEED = 20261130
VALUES = {b"key%d" % number: b"%d " % number * number for number in range(60)}
CLIENTS = 40


async def all_of(port: int, sent: list[bytes]) -> list[bytes]:
    """What clients are sent, which send this all at once, and then nothing."""
    streams = [await asyncio.open_connection("127.0.0.1", port) for _ in sent]
    for (_, writer), data in zip(streams, sent, strict=True):
        writer.write(data)
        writer.write_eof()
    async with asyncio.timeout(PATIENCE_SECONDS):
        said = [await reader.read() for reader, _ in streams]
    for _, writer in streams:
        writer.close()
    return said


def bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


@pytest.fixture(params=["memory", "process"])
async def served(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    async with serving(tmp_path, replace(CacheConfig(), durability=request.param)) as it:
        client = await it.connect()
        for key, value in VALUES.items():
            await client("SET", key, value)
        await client.close()
        yield it


async def test_each_client_has_its_own_replies(served: Served) -> None:
    """GETs of what is in memory and of what is not, writes, errors, several at once."""
    rng = random.Random(SEED)
    for _ in range(20):
        sent, wanted = [], []
        for number in range(CLIENTS):
            own = b"own%d" % number
            data = reply = b""
            for _ in range(rng.choice([1, 1, 1, 3, 12])):
                key = rng.choice(list(VALUES))
                value = b"x" * rng.randrange(300)
                command, answer = rng.choice(
                    [
                        ((b"GET", key), bulk(VALUES[key])),
                        ((b"get", key), bulk(VALUES[key])),
                        ((b"GET", b"absent"), b"$-1\r\n"),
                        ((b"SET", own, value), b"+OK\r\n"),
                        ((b"ECHO", value), bulk(value)),
                        ((b"GET",), b"-ERR wrong number of arguments for 'get' command\r\n"),
                        ((b"STRLEN", key), b":%d\r\n" % len(VALUES[key])),
                    ]
                )
                data += encoded(command)
                reply += answer
            sent.append(data)
            wanted.append(reply)
        assert await all_of(served.port, sent) == wanted


async def test_what_one_sends_is_of_no_concern_to_another(served: Served) -> None:
    """Halves of requests, what is no request, and what is large come in the same turn."""
    get, wanted = encoded((b"GET", b"key7")), bulk(VALUES[b"key7"])
    large = b"y" * (SMALL_BYTES + 1)
    odd = {
        get[:-3]: b"",
        b"*2\r\n$3\r\nGET\r\n$500\r\n": b"",
        b"*2\r\n$3\r\nGET\r\n:1\r\n": b"-ERR Protocol error: expected '$', got ':'\r\n",
        b"PING\r\n": b"+PONG\r\n",
        encoded((b"ECHO", large)): bulk(large),
        b"": b"",
    }
    sent, replies = [], []
    for each, reply in odd.items():
        sent += [get, each, get, get + each]
        replies += [wanted, reply, wanted, wanted + reply]
    assert await all_of(served.port, sent) == replies


async def test_more_than_waits_for_the_turn(served: Served) -> None:
    piece = encoded((b"ECHO", b"z" * (SMALL_BYTES - 50)))
    count = 2 * MOST_BYTES // len(piece)
    assert await all_of(served.port, [piece] * count) == [bulk(b"z" * (SMALL_BYTES - 50))] * count


async def test_a_client_that_ends_its_input_has_its_replies(served: Served) -> None:
    """As with `printf 'GET k\\r\\n' | nc`, where the reply has to wait for L3 as well."""
    for key in VALUES:
        served.store.memory.pop(b"db0/" + key)
    await served.store.applied()
    pipeline = b"".join(encoded((b"GET", key)) for key in VALUES)
    pipeline += encoded((b"DEL", b"key1")) + encoded((b"INCR", b"n"))
    (said,) = await all_of(served.port, [pipeline])
    assert said == b"".join(map(bulk, VALUES.values())) + b":1\r\n:1\r\n"
    subscribed = encoded((b"SUBSCRIBE", b"news"))
    assert (await all_of(served.port, [subscribed]))[0].endswith(b":1\r\n")
