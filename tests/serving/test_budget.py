"""The memory of requests: taken before it is used, given back, waited for."""

from __future__ import annotations

import asyncio
import random

from sidecar.serving import budget
from sidecar.serving.budget import MOST_WAITING, Budget

SEED = 20240731


def test_no_more_is_taken_than_there_is() -> None:
    """The last byte can be had, and one more cannot."""
    it = Budget(10)
    assert it.take(7)
    assert not it.take(4)
    assert it.take(3)
    it.give(10)
    assert it.used_bytes == 0


async def test_those_who_wait_are_served_in_their_order() -> None:
    """A small need waits behind a large one only if it came later and had to wait, too."""
    it = Budget(10)
    assert it.take(10)
    served: list[int] = []

    async def wait(size: int) -> None:
        assert await it.wait(size)
        served.append(size)

    async with asyncio.TaskGroup() as tasks:
        for size in (6, 3, 1):
            tasks.create_task(wait(size))
        await asyncio.sleep(0)
        it.give(5)
        await asyncio.sleep(0)
        assert served == []
        it.give(5)
    assert served == [6, 3, 1]
    assert it.used_bytes == 10


async def test_what_can_never_fit_does_not_wait() -> None:
    """Nor does what would be one too many."""
    it = Budget(MOST_WAITING)
    assert it.take(MOST_WAITING)
    assert not await it.wait(MOST_WAITING + 1)
    waiting = [asyncio.create_task(it.wait(1)) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    assert not await it.wait(1)
    it.give(MOST_WAITING)
    assert await asyncio.gather(*waiting) == [True] * MOST_WAITING


async def test_a_budget_that_shrinks_takes_nothing_away() -> None:
    """What is held stays; no more can be had until enough is given back."""
    it = Budget(10)
    assert it.take(8)
    it.resize(10, 4)
    assert not it.take(1)
    it.give(5)
    assert it.take(1)
    it.resize(10, 100)
    assert it.capacity_bytes == 10


async def test_nothing_is_lost_or_given_twice_whoever_gives_up() -> None:
    """Waits that end, or are cancelled, in any moment: in the end all bytes are there again."""
    rng = random.Random(SEED)
    it = Budget(100)
    budget.WAIT_SECONDS, before = 0.002, budget.WAIT_SECONDS

    async def hold() -> None:
        size = rng.randrange(1, 60)
        if await it.wait(size):
            assert 0 <= it.used_bytes <= 100, f"seed {SEED}"
            try:
                await asyncio.sleep(rng.random() / 500)
            finally:
                it.give(size)

    try:
        tasks = [asyncio.create_task(hold()) for _ in range(500)]
        for task in tasks:
            if rng.random() < 0.3:
                task.cancel()
            if rng.random() < 0.2:
                await asyncio.sleep(rng.random() / 1000)
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        budget.WAIT_SECONDS = before
    assert it.used_bytes == 0, f"seed {SEED}"
    assert await it.wait(100)
