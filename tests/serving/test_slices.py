"""Long work in slices, of which one runs in a turn of the loop."""

from __future__ import annotations

import asyncio

from sidecar.serving.slices import Slices


class Work:
    """Slices of several requests: who ran one, in which turn of the loop."""

    def __init__(self) -> None:
        self.slices = Slices()
        self.turn = 0
        self.ran: list[tuple[int, str]] = []

    async def count_turns(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)

    async def request(self, name: str, slices: int) -> None:
        for _ in range(slices):
            await self.slices.next()
            self.ran.append((self.turn, name))


async def test_a_turn_has_one_slice_whatever_waits() -> None:
    """And all get their share, in the order in which they came."""
    work = Work()
    counting = asyncio.create_task(work.count_turns())
    await asyncio.gather(*(work.request(name, 20) for name in "abcde"))
    counting.cancel()
    turns = [turn for turn, _ in work.ran]
    assert len(turns) == len(set(turns)) == 100
    assert [name for _, name in work.ran[:10]] == list("abcdeabcde")


async def test_a_request_that_has_ended_takes_no_turn() -> None:
    work = Work()
    gone = [asyncio.create_task(work.request("gone", 9)) for _ in range(50)]
    left = asyncio.create_task(work.request("left", 9))
    await asyncio.sleep(0)
    for each in gone:
        each.cancel()
    await left
    await asyncio.gather(*gone, return_exceptions=True)
    assert [name for _, name in work.ran].count("left") == 9
    await asyncio.wait_for(work.request("later", 2), 5)
