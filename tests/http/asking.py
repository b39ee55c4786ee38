"""Requests for entries as raw bytes, and an L3 that is stopped, so that answers wait."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

from sidecar.app.sidecar import Sidecar
from tests.http.serving import eventually, exchange, request

CLOSE = "Connection: close"


def path(name: object) -> str:
    return f"/v1/cache/test/{name}"


def put(name: object, value: bytes, *headers: str) -> bytes:
    return request("PUT", path(name), f"Content-Length: {len(value)}", *headers, body=value)


def get(name: object, *headers: str) -> bytes:
    return request("GET", path(name), *headers)


async def ask(live: Sidecar, *requests: bytes) -> list[bytes]:
    """The answers to requests that are sent at once; the last of them closes the connection."""
    answer = await exchange(live.ports["http"], b"".join(requests))
    return answer.split(b"HTTP/1.1 ")[1:]


async def only_in_l3(live: Sidecar, *names: object, size: int = 10) -> None:
    """Store entries, and drop them from memory."""
    *before, last = [put(name, str(name).encode().ljust(size, b".")) for name in names]
    await ask(live, *before, last.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
    with limited(live, max_entries=1, max_bytes=1):
        while not live.store.memory.drain():
            pass


@contextmanager
def limited(live: Sidecar, **limits: int) -> Iterator[None]:
    """Both tiers in memory have these limits."""
    config = live.store.config
    changed: dict[str, Any] = dict(limits)
    l1, l2 = config.tiers.l1, config.tiers.l2
    tiers = replace(config.tiers, l1=replace(l1, **changed), l2=replace(l2, **changed))
    live.store.apply(replace(config, tiers=tiers))
    yield
    live.store.apply(config)


def allow_l3_time(live: Sidecar) -> None:
    """Give L3 the time that a busy machine may need; no answer is unknown for lack of it."""
    config = live.store.config
    l3 = replace(config.tiers.l3, timeout_seconds=30.0)
    live.store.apply(replace(config, tiers=replace(config.tiers, l3=l3)))


def in_flight(live: Sidecar) -> int:
    """The requests that have no answer yet."""
    return live.admissions["http"].stats.in_flight


@contextmanager
def stopped(live: Sidecar) -> Iterator[None]:
    """L3's process does not run."""
    pid = live.l3.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connection_to(port: int) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


@asynccontextmanager
async def connected(live: Sidecar) -> AsyncIterator[Streams]:
    async with connection_to(live.ports["http"]) as streams:
        yield streams


async def idle(live: Sidecar) -> None:
    """Wait until nothing is in progress."""
    admission = live.admissions["http"]
    await eventually(lambda: admission.stats.in_flight == 0, "no request is in progress")
    await eventually(lambda: admission.connections == 0, "no connection is open")
    await eventually(lambda: admission.budget.used_bytes == 0, "no memory is held")
    await eventually(lambda: admission.budget.pieces_bytes == 0, "nor for a first piece")
