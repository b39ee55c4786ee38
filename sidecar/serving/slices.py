"""Long work on the event loop: it is done in slices, of which one runs in a turn of the loop.

If each request gave way to others alone (`asyncio.sleep(0)`), a turn would have a slice of each: a
hundred that ask for a page of keys would make every turn a hundred times as long. So the slices of
all requests of a listener wait for each other, in the order in which they came.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Slices:
    """The slices that wait for their turn. None is needed for work that takes a millisecond."""

    __slots__ = ("_is_due", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_due = False

    async def next(self) -> None:
        """Wait until the next slice may run, which is until the caller awaits something else."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        if not self._is_due:
            self._is_due = True
            loop.call_soon(self._give)
        await turn

    def _give(self) -> None:
        """Called in each turn of the loop while slices wait."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # else its request has ended
                turn.set_result(None)
                break
        self._is_due = bool(self._waiting)
        if self._is_due:
            asyncio.get_running_loop().call_soon(self._give)
