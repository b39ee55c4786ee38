"""Clients that send more than fits a turn of the loop: others do not wait for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.resp.requests import ARGUMENTS_AT_ONCE
from sidecar.resp.waiting import LEAST_SLICE_SECONDS, MOST_SLICE_SECONDS, Waiting
from tests.resp.servers import encoded
from tests.resp.serving import Served
from tests.running import PATIENCE_SECONDS

CLIENTS, COMMANDS = 100, 5000
UNKNOWN = b"*1\r\n$1\r\na\r\n"


class Waiter:
    def __init__(self, work: Callable[[Waiter], None]) -> None:
        self.turns = 0
        self._work = work

    def take_turn(self) -> None:
        self.turns += 1
        self._work(self)


async def busy(served: Served, sent: bytes) -> list[asyncio.StreamWriter]:
    """Clients that send all of this at once, and read none of the replies."""
    writers = []
    for _ in range(CLIENTS):
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writers.append(writer)
    for writer in writers:
        writer.write(sent)
    return writers


async def test_a_ping_is_answered_long_before_all_that_was_sent_earlier(served: Served) -> None:
    ping = await served.connect()
    writers = await busy(served, UNKNOWN * COMMANDS)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await ping("PING") == b"PONG"
    done = served.service.counts.totals()["total_commands_processed"]
    assert done < CLIENTS * COMMANDS // 20
    for writer in writers:
        writer.transport.abort()
    await ping.close()


async def test_a_command_of_many_arguments_is_parsed_in_slices(served: Served) -> None:
    """Also if it never ends."""
    ping = await served.connect()
    half = b"*100000\r\n" + b"$2\r\nab\r\n" * 20 * ARGUMENTS_AT_ONCE
    writers = await busy(served, half)
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(20):
            assert await ping("PING") == b"PONG"
    for writer in writers:
        writer.transport.abort()
    await ping.close()
    whole = encoded((b"EXISTS", *[b"ab"] * (3 * ARGUMENTS_AT_ONCE)))
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(whole[:100])
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.write(whole[100:])
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await reader.readline() == b":0\r\n"
    writer.close()


async def test_slices_are_short_where_many_wait() -> None:
    waiting = Waiting()
    assert waiting.slice_seconds == MOST_SLICE_SECONDS
    for _ in range(1000):
        waiting.add(Waiter(lambda _: None), has_little=False)
    assert waiting.slice_seconds == LEAST_SLICE_SECONDS
    await asyncio.sleep(0.1)
    assert waiting.slice_seconds == MOST_SLICE_SECONDS


async def test_who_has_little_to_do_goes_first_and_keeps_nobody_from_a_turn() -> None:
    waiting = Waiting()
    order: list[str] = []

    def again(waiter: Waiter) -> None:
        order.append("little")
        if waiter.turns < 100_000:
            waiting.add(waiter, has_little=True)

    waiting.add(Waiter(lambda _: order.append("much")), has_little=False)
    endless = Waiter(again)
    waiting.add(endless, has_little=True)
    for _ in range(3):
        await asyncio.sleep(0)
    assert order[0] == "little"
    assert "much" in order
    endless.turns = 100_000
    await asyncio.sleep(0.05)
