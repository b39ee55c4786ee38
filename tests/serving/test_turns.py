"""Which requests of a turn of the event loop are refused; the clock is the test's."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.serving.turns import (
    AT_ONCE,
    BURST_SECONDS,
    FEW_CONNECTIONS,
    HOLD_SECONDS,
    TARGET_SECONDS,
    Turns,
)

COST = 0.0001
MOST, BURST = int(TARGET_SECONDS / COST), int(BURST_SECONDS / COST)


class Loop:
    """Turns whose requests take COST each."""

    def __init__(self) -> None:
        self.now = 100.0
        self.turns = Turns(lambda: self.now)

    async def turn(self, requests: int) -> int:
        """How many of these requests of one turn are admitted."""
        admitted = 0
        for _ in range(requests):
            admitted += self.admits()
            self.now += COST
        await asyncio.sleep(0)
        return admitted

    def admits(self, *, has_waited: bool = False) -> bool:
        """As a connection asks."""
        self.turns.left -= 1
        is_sure = self.turns.left >= 0 and not has_waited
        return is_sure or self.turns.admits(has_waited=has_waited)


async def overloaded() -> Loop:
    loop = Loop()
    for _ in range(20):
        await loop.turn(2 * MOST)
    return loop


@pytest.mark.parametrize("connections", [0, 1, FEW_CONNECTIONS])
def test_few_connections_are_not_watched(connections: int) -> None:
    """They can't ask for more than can be answered in time."""
    turns = Turns()
    turns.count_connections(FEW_CONNECTIONS + 1)
    assert turns.watched
    turns.count_connections(connections)
    assert not turns.watched


async def test_what_can_be_answered_in_time_is_admitted() -> None:
    """However long it goes on."""
    loop = Loop()
    assert [await loop.turn(MOST - 10) for _ in range(100)] == [MOST - 10] * 100


async def test_a_burst_is_admitted_and_a_queue_that_stands_is_not() -> None:
    """One turn may have as many requests as take BURST_SECONDS, and the next after it as many as
    can be answered in time; after the second of a kind, each turn has no more than that.
    """
    loop = Loop()
    await loop.turn(MOST - 10)
    assert await loop.turn(BURST) == BURST
    assert await loop.turn(10) == 10
    assert await loop.turn(5 * MOST) == pytest.approx(BURST, abs=2)
    assert await loop.turn(5 * MOST) == pytest.approx(MOST, abs=2)
    assert await loop.turn(5 * MOST) == pytest.approx(MOST, abs=2)


async def test_refusals_end_with_the_overload() -> None:
    """A while after the last turn that was too long, a burst is admitted again."""
    loop = await overloaded()
    assert await loop.turn(2 * MOST) < 2 * MOST
    loop.now += HOLD_SECONDS
    await loop.turn(10)
    assert await loop.turn(BURST) == BURST


@pytest.mark.parametrize("is_overloaded", [False, True])
async def test_a_request_that_has_waited_is_refused(is_overloaded: bool) -> None:
    """It was sent before the client was to come back, and its time is over."""
    loop = await overloaded() if is_overloaded else Loop()
    assert not loop.admits(has_waited=True)
    assert loop.admits()
    assert not loop.admits(has_waited=True)
    assert await loop.turn(10) == 10


async def test_a_turn_that_takes_longer_than_its_requests_usually_do_is_cut_short() -> None:
    """While there is an overload: the processor may have become slower."""
    loop = await overloaded()
    assert loop.admits()
    loop.now += TARGET_SECONDS + COST
    admitted = [loop.admits() for _ in range(2 * AT_ONCE)]
    assert admitted == [True] * (AT_ONCE - 1) + [False] * (AT_ONCE + 1)
