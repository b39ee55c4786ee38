"""Which requests of a turn of the event loop are refused; the clock is the test's."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.serving.turns import (
    BURST_SECONDS,
    FEW_CONNECTIONS,
    HOLD_SECONDS,
    TARGET_SECONDS,
    Turns,
)

NEVER = -2
COST = 0.0001
MOST, BURST = int(TARGET_SECONDS / COST), int(BURST_SECONDS / COST)


class Loop:
    """Turns whose requests take COST each."""

    def __init__(self) -> None:
        self.now = 100.0
        self.turns = Turns(lambda: self.now)

    async def turn(self, requests: int, resumed_in: int = NEVER) -> int:
        """How many of these requests of one turn are admitted."""
        admitted = 0
        for _ in range(requests):
            admitted += self.turns.admits(resumed_in)
            self.now += COST
        await asyncio.sleep(0)
        return admitted


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
    assert await loop.turn(2 * MOST) == 2 * MOST


async def test_a_request_that_has_waited_is_refused_while_others_are() -> None:
    """It was sent before the client was to come back, and its time is over; a later one of the same
    connection is admitted.
    """
    loop = await overloaded()
    resumed_in = loop.turns.number
    assert await loop.turn(1, resumed_in) == 0
    assert await loop.turn(1, resumed_in) == 0
    assert await loop.turn(1, resumed_in) == 1


async def test_a_turn_that_takes_longer_than_its_requests_usually_do_is_cut_short() -> None:
    """While there is an overload: the processor may have become slower."""
    loop = await overloaded()
    assert loop.turns.admits(NEVER)
    loop.now += TARGET_SECONDS
    assert not loop.turns.admits(NEVER)
