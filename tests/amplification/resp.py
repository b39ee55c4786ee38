"""Attacks by clients of the Redis protocol; otherwise like `attacks`.

Each sends much on many connections, reads nothing meanwhile or nothing at all, and then asks for a
PING, whose reply is the outcome: what others notice of it.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from tests.amplification.attacks import KIB, MIB, Outcome
from tests.resp.servers import encoded

SEND_SECONDS, REST_SHARE = 4.0, 0.4
PATIENCE_SECONDS = 60.0
TINY = b"*1\r\n$1\r\na\r\n"
MANY_CLIENTS = 1900
SMALL, LARGE = b"small", b"large"


async def filled(port: int, *, sizes: Iterable[int] = (15_000, 200_000)) -> list[Outcome]:
    """Values of these sizes."""
    for name, size in zip((SMALL, LARGE), sizes, strict=True):
        await _asked(port, (b"SET", name, bytes(size)))
    return []


async def filled_l3(port: int, *, count: int = 300, seed: int = 1) -> list[Outcome]:
    """Values of 1 MiB that do not compress, of which memory holds the last ones at the most."""
    rng = random.Random(seed)
    for number in range(count):
        await _asked(port, (b"SET", b"value%d" % number, rng.randbytes(MIB)))
    return []


async def pushed(
    port: int,
    *,
    make: Callable[[int], bytes],
    clients: int,
    is_deaf: bool = False,
    seconds: float = SEND_SECONDS,
) -> list[Outcome]:
    """Each client sends what `make` gives for its number, for so long. A deaf one has no room for
    replies.
    """
    connections = []
    for _ in range(clients):
        with suppress(OSError):
            connections.append(_connected(port, is_deaf=is_deaf))
    left = [(connection, memoryview(make(number))) for number, connection in enumerate(connections)]
    until = time.monotonic() + seconds
    while left and time.monotonic() < until:
        left = [
            (connection, rest) for connection, data in left if (rest := _send(connection, data))
        ]
        await asyncio.sleep(0.005)
    await asyncio.sleep(seconds * REST_SHARE)
    began = time.monotonic()
    try:
        reply = await _asked(port, (b"PING",))
    except (OSError, EOFError, TimeoutError):
        reply = b""
    for connection in connections:
        connection.close()
    status = 200 if reply.startswith(b"+PONG") else 503 if reply.startswith(b"-") else 0
    return [Outcome(status, time.monotonic() - began)]


def _connected(port: int, *, is_deaf: bool) -> socket.socket:
    client = socket.socket()
    if is_deaf:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    client.settimeout(PATIENCE_SECONDS)
    client.connect(("127.0.0.1", port))
    client.setblocking(False)
    return client


def _send(client: socket.socket, data: memoryview) -> memoryview:
    """What is left; nothing if the connection has been closed."""
    try:
        return data[client.send(data[: 256 * KIB]) :]
    except BlockingIOError:
        return data
    except OSError:
        return data[:0]


async def _asked(port: int, command: tuple[bytes, ...]) -> bytes:
    """The first line of the reply."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(encoded(command))
            return await reader.readuntil(b"\r\n")
        finally:
            writer.close()


def _many(*parts: tuple[bytes, ...], times: int = 1) -> Callable[[int], bytes]:
    """The same commands for each client."""
    data = b"".join(map(encoded, parts)) * times
    return lambda _: data


def _incomplete(begin: bytes, size: int) -> Callable[[int], bytes]:
    data = begin + bytes(size)
    return lambda _: data


def _appended(number: int) -> bytes:
    return encoded((b"APPEND", b"grows%d" % (number % 5), bytes(300_000))) * 4


def _tracked(number: int) -> bytes:
    data = encoded((b"HELLO", b"3")) + encoded((b"CLIENT", b"TRACKING", b"ON"))
    return data + b"".join(encoded((b"GET", b"%d.%d" % (number, at))) for at in range(2000))


def _subscribed(number: int) -> bytes:
    return encoded((b"SUBSCRIBE", *(b"%d.%d" % (number, at) for at in range(1000))))


def _stored(number: int) -> bytes:
    return encoded((b"SET", b"key%d" % number, bytes(500_000))) * 3


SET_HEAD = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n"
PAIRS = [part for at in range(5000) for part in (b"pair%d" % at, b"v" * 100)]
IN_L3 = tuple(b"value%d" % number for number in range(300))

ATTACKS = {
    "300 halves of 1 MB": partial(
        pushed, clients=300, make=_incomplete(SET_HEAD + b"$1000000\r\n", 900_000)
    ),
    "1,900 halves of 60 KB": partial(
        pushed, clients=MANY_CLIENTS, make=_incomplete(SET_HEAD + b"$65000\r\n", 60_000)
    ),
    "1,900 halves of arrays": partial(
        pushed, clients=MANY_CLIENTS, make=lambda _: b"*100000\r\n" + b"$1\r\na\r\n" * 5000
    ),
    "60,000 tiny commands of each of 1,900": partial(
        pushed, clients=MANY_CLIENTS, make=lambda _: TINY * 60_000
    ),
    "6,000 tiny commands of each of 1,900 that do not read": partial(
        pushed, clients=MANY_CLIENTS, make=lambda _: TINY * 6000, is_deaf=True
    ),
    "2,000 GETs of 15 KB of each of 1,900": partial(
        pushed, clients=MANY_CLIENTS, make=_many((b"GET", SMALL), times=2000)
    ),
    "2,000 GETs of 15 KB of each of 1,900 that do not read": partial(
        pushed, clients=MANY_CLIENTS, make=_many((b"GET", SMALL), times=2000), is_deaf=True
    ),
    "200 GETs of 200 KB of each of 300 that do not read": partial(
        pushed, clients=300, make=_many((b"GET", LARGE), times=200), is_deaf=True
    ),
    "MGETs of 80 MB of 60": partial(pushed, clients=60, make=_many((b"MGET", *(400 * [LARGE])))),
    "SETs of 500 KB of 200": partial(pushed, clients=200, make=_stored),
    "MSETs of 5,000 keys of 200": partial(pushed, clients=200, make=_many((b"MSET", *PAIRS))),
    "APPENDs of 300 KB of 100": partial(pushed, clients=100, make=_appended),
    "5,000 commands in transactions of 500": partial(
        pushed,
        clients=500,
        make=lambda _: encoded((b"MULTI",)) + encoded((b"SET", b"m", b"x" * 200)) * 5000,
    ),
    "2,000 watched keys of each of 1,900": partial(
        pushed,
        clients=MANY_CLIENTS,
        make=_many((b"WATCH", *(b"watched%d" % number for number in range(2000)))),
    ),
    "1,000 channels of each of 1,900": partial(pushed, clients=MANY_CLIENTS, make=_subscribed),
    "2,000 tracked keys of each of 500 that do not read": partial(
        pushed, clients=500, make=_tracked, is_deaf=True
    ),
    "KEYS of 300": partial(pushed, clients=300, make=_many((b"KEYS", b"*"), times=5)),
}
"""By name, after `filled`."""
ATTACKS_ON_L3 = {
    "EXISTS of 300 keys of 1 MiB, of 20": partial(
        pushed, clients=20, make=_many((b"EXISTS", *IN_L3))
    ),
    "MGETs of 300 keys of 1 MiB, of 20": partial(pushed, clients=20, make=_many((b"MGET", *IN_L3))),
    "WATCHes of 300 keys of 1 MiB, of 20": partial(
        pushed, clients=20, make=_many((b"WATCH", *IN_L3))
    ),
}
"""By name, after `filled_l3`."""
