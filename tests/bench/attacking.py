"""`python -m tests.bench.attacking KIND PORT CONNECTIONS SECONDS`: an attack on the ops port, or
`nothing`, which takes the processor as often and sends nothing.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
PAUSE_SECONDS = 0.001
"""Between the bytes of a client that trickles, and after a connection that failed."""
BUSY_SECONDS = 0.0005
"""Between two pauses; real attackers take about as much of a processor at the lowest priority."""

Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def scrape(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Scrapes one after the other, on one connection."""
    while True:
        await scrape_once(reader, writer)


async def scrape_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A connection for each scrape."""
    writer.write(SCRAPE)
    head = await reader.readuntil(b"\r\n\r\n")
    [length] = re.findall(rb"Content-Length: (\d+)", head)
    await reader.readexactly(int(length))


async def be_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def trickle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in SCRAPE:
        writer.write(bytes([byte]))
        await asyncio.sleep(PAUSE_SECONDS)


async def pipeline(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(SCRAPE * 500)
    await reader.read()


async def be_busy() -> None:
    """What attackers do to a load that shares a processor with them, whatever they attack."""
    while True:
        until = time.perf_counter() + BUSY_SECONDS
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(PAUSE_SECONDS)


KINDS: dict[str, Attack] = {
    "scrapes": scrape,
    "connections": scrape_once,
    "silence": be_silent,
    "trickle": trickle,
    "pipelines": pipeline,
}


async def client(attack: Attack, port: int) -> None:
    """Attacks without end; connects again when it is disconnected."""
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await attack(reader, writer)
            finally:
                writer.close()
        await asyncio.sleep(PAUSE_SECONDS)


async def main(kind: str, port: int, connections: int, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as clients:
            if kind == "nothing":
                await be_busy()
            for _ in range(connections):
                clients.create_task(client(KINDS[kind], port))


if __name__ == "__main__":
    chosen, *numbers = sys.argv[1:]
    asyncio.run(main(chosen, int(numbers[0]), int(numbers[1]), float(numbers[2])))
