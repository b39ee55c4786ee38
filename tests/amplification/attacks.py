"""Inputs that are small, or bounded each by itself, and take much memory where they are served.

Each attack is a coroutine that returns the answers to its requests: the status, 0 where the
connection ended without one, and the seconds. It says nothing of what has to be true of them. One
file of more than 300 lines, since they share one client.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import socket
import threading
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

KIB, MIB = 1 << 10, 1 << 20
PIECE_BYTES = 64 * KIB
PATIENCE_SECONDS = 60.0


Address = int | Path
"""A port of TCP on this machine, or the path of a Unix socket."""


class Outcome(NamedTuple):
    """The answer to one request."""

    status: int  # 0: none
    seconds: float


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def of(cls, port: Address) -> Client:
        return cls(*await _connected(port))

    async def ask(
        self, method: str, path: str, body: bytes = b"", fields: str = ""
    ) -> tuple[int, bytes]:
        """The status and the body of the answer; (0, b"") if the connection ends before it."""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {len(body)}"
        send = asyncio.create_task(self.send(head.encode() + b"\r\n\r\n", body))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self.answer()
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            return 0, b""
        finally:
            send.cancel()

    async def send(self, head: bytes, body: bytes) -> None:
        """In pieces: asyncio would copy a large one as a whole, and keep the others waiting."""
        self._writer.write(head)
        try:
            for start in range(0, len(body), PIECE_BYTES):
                self._writer.write(body[start : start + PIECE_BYTES])
                await self._writer.drain()
        except ConnectionError:
            return

    async def answer(self) -> tuple[int, bytes]:
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, length = int(head.split(b" ", 2)[1]), 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            if name.lower() == b"transfer-encoding":
                return status, await self._chunks()
        return status, await self._reader.readexactly(length)

    async def _chunks(self) -> bytes:
        pieces = []
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            pieces.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return b"".join(pieces)

    def begin(self, data: bytes) -> None:
        """Send this, and wait for nothing."""
        self._writer.write(data)

    def close(self) -> None:
        self._writer.transport.abort()  # what was not sent would keep it open


async def one(
    port: Address, method: str, path: str, body: bytes = b"", fields: str = ""
) -> Outcome:
    """One request on a connection of its own."""
    began = time.monotonic()
    try:
        client = await Client.of(port)
    except OSError:
        return Outcome(0, time.monotonic() - began)
    try:
        status, _ = await client.ask(method, path, body, fields)
    finally:
        client.close()
    return Outcome(status, time.monotonic() - began)


async def filling(
    port: Address, *, size: int = 100 * KIB, count: int = 3000, connections: int = 4, seed: int = 1
) -> list[Outcome]:
    """Ordinary PUTs of values that do not compress."""
    values = random.Random(seed)
    keys = iter(range(count))
    outcomes: list[Outcome] = []

    async def work() -> None:
        client = await Client.of(port)
        for key in keys:
            value = values.randbytes(size)
            began = time.monotonic()
            status, _ = await client.ask("PUT", f"/v1/cache/fill/{key}", value)
            outcomes.append(Outcome(status, time.monotonic() - began))
            if not status:
                break
        client.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return outcomes


async def large_puts(port: Address, *, count: int = 50, size: int = 8 * MIB) -> list[Outcome]:
    """PUTs of large values at once."""
    value = random.Random(2).randbytes(size)
    return await _at_once(one(port, "PUT", f"/v1/cache/large/{n}", value) for n in range(count))


async def packed(port: Address, *, keys: int = 40, size: int = MIB) -> list[Outcome]:
    """Store values that take next to nothing once they are compressed in L2."""
    value = b"cache-sidecar " * (size // 14)
    return [await one(port, "PUT", f"/v1/cache/packed/{key}", value) for key in range(keys)]


async def mgets(
    port: Address, *, count: int = 10, keys: int = 40, fields: str = ""
) -> list[Outcome]:
    """mgets of `packed` at once."""
    body = json.dumps({"namespace": "packed", "keys": [str(key) for key in range(keys)]}).encode()
    return await _at_once(one(port, "POST", "/v1/mget", body, fields) for _ in range(count))


async def inflating_puts(port: Address, *, count: int = 300, size: int = 8 * MIB) -> list[Outcome]:
    """Small bodies that are large when their coding is undone."""
    body, fields = gzip.compress(bytes(size)), "Content-Encoding: gzip\r\n"
    path = "/v1/cache/inflated/{}"
    return await _at_once(one(port, "PUT", path.format(n), body, fields) for n in range(count))


async def inflating_msets(port: Address, *, count: int = 40, values: int = 28) -> list[Outcome]:
    """The same, in batches of values of a mebibyte."""
    entries = [{"key": str(n), "value": "x" * MIB} for n in range(values)]
    body = gzip.compress(json.dumps({"namespace": "inflated", "entries": entries}).encode())
    fields = "Content-Encoding: gzip\r\n"
    return await _at_once(one(port, "POST", "/v1/mset", body, fields) for _ in range(count))


async def scattered_gets(
    port: Address, *, count: int = 200, keys: int = 60, connections: int = 20
) -> list[Outcome]:
    """GETs of the values of `large_puts`, so that the tiers in memory do not have them."""
    rng = random.Random(3)
    numbers = iter([rng.randrange(keys) for _ in range(count)])

    async def work() -> list[Outcome]:
        return [await one(port, "GET", f"/v1/cache/large/{number}") for number in numbers]

    done = await asyncio.gather(*(work() for _ in range(connections)))
    return [outcome for outcomes in done for outcome in outcomes]


async def crumbled_puts(port: Address, *, count: int = 200, size: int = 200_000) -> list[Outcome]:
    """PUTs in chunks of a byte."""
    head = (
        "PUT /v1/cache/crumbled/{} HTTP/1.1\r\nHost: localhost\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    body = b"1\r\nx\r\n" * size + b"0\r\n\r\n"

    async def put(number: int) -> Outcome:
        began = time.monotonic()
        client = await Client.of(port)
        sending = asyncio.create_task(client.send(head.format(number).encode(), body))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                status, _ = await client.answer()
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            status = 0
        sending.cancel()
        client.close()
        return Outcome(status, time.monotonic() - began)

    return await _at_once(put(number) for number in range(count))


async def idle_readers(port: Address, *, path: str, count: int = 100) -> list[Outcome]:
    """GETs of one value whose answers are not read until all have been sent."""
    clients = await asyncio.gather(*(_quiet(port, path) for _ in range(count)))
    await asyncio.sleep(1)
    for client in clients:
        client.close()
    return [await one(port, "GET", path)]


async def _quiet(port: Address, path: str) -> Client:
    reader, writer = await _connected(port, limit=KIB)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return Client(reader, writer)


async def long_keys(port: Address, *, count: int = 2000) -> list[Outcome]:
    """Store small values with keys of a kibibyte."""
    outcomes: list[Outcome] = []
    for start in range(0, count, 500):
        entries = [{"key": f"{start + n}".zfill(KIB), "value": "x"} for n in range(500)]
        body = json.dumps({"namespace": "long", "entries": entries}).encode()
        outcomes.append(await one(port, "POST", "/v1/mset", body))
    return outcomes


async def listings(port: Address, *, count: int = 300) -> list[Outcome]:
    """Pages of `long_keys` at once."""
    path = "/v1/keys?namespace=long&limit=1000"
    return await _at_once(one(port, "GET", path) for _ in range(count))


async def unfinished(port: Address, *, begin: bytes, count: int = 2000) -> list[Outcome]:
    """So many connections with the beginning of a request, and then one with a whole request."""
    clients: list[Client] = []
    for _ in range(count):
        with suppress(OSError):
            client = await Client.of(port)
            clients.append(client)
            client.begin(begin)
    await asyncio.sleep(3)
    outcomes = [await one(port, "PUT", "/v1/cache/finished/0", b"value")]
    for client in clients:
        client.close()
    return outcomes


async def _connected(
    port: Address, limit: int = 64 * KIB
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(port, int):
        return await asyncio.open_connection("127.0.0.1", port, limit=limit)
    while True:
        try:
            return await asyncio.open_unix_connection(port, limit=limit)
        except BlockingIOError:  # as many wait already as may
            await asyncio.sleep(0.01)


async def unread(port: Address, *, path: str, count: int = 1900, times: int = 4) -> list[Outcome]:
    """So many connections with GETs whose answers are never read, and then one that reads. Their
    segments are small, so that the kernel takes little of each answer.
    """
    clients = []
    for _ in range(count):
        with suppress(OSError):
            clients.append(_deaf(port))
            clients[-1].send(times * f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await asyncio.sleep(0)
    await asyncio.sleep(3)
    outcomes = [await one(port, "GET", path)]
    for client in clients:
        client.close()
    return outcomes


def _deaf(port: Address) -> socket.socket:
    if isinstance(port, int):
        client = socket.socket()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        client.connect(("127.0.0.1", port))
    else:
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(port))
    client.setblocking(False)
    return client


async def _at_once(requests: Iterable[Awaitable[Outcome]]) -> list[Outcome]:
    return list(await asyncio.gather(*requests))


class Probe:
    """Asks /livez all the time, as the kubelet does, and keeps the longest that an answer took."""

    def __init__(self, ops_port: Address) -> None:
        self._url = f"http://127.0.0.1:{ops_port}/livez"
        self._is_over = threading.Event()
        self.slowest_seconds = 0.0
        self.failures = 0

    async def during(self, attack: Callable[[], Awaitable[list[Outcome]]]) -> list[Outcome]:
        probing = threading.Thread(target=self._probe)
        probing.start()
        try:
            answers = await attack()
            await asyncio.sleep(0.1)  # the event loop ends, and connections close in its turns
            return answers
        finally:
            self._is_over.set()
            await asyncio.to_thread(probing.join)

    def _probe(self) -> None:
        while not self._is_over.wait(0.05):
            began = time.monotonic()
            try:
                with urllib.request.urlopen(self._url, timeout=PATIENCE_SECONDS):
                    pass
            except OSError:
                self.failures += 1
            self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)
