"""The memory that requests may hold, over all connections of a listener.

Bodies as sent and as decoded, values that are unpacked, answers that are built or not read yet:
whoever needs a large piece of memory takes it from here first, and gives it back. What small
requests need is not counted; it is part of what the processes take anyway.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

UNLIMITED_BYTES = 256 << 20
"""What requests may hold where the container has no limit, or a high one: with more in progress,
each would only take longer."""
OPS_BYTES = 4 << 20
"""What scrapes may hold: their own, so that no load on the data API keeps them waiting."""
PIECES_PART = 4
"""First pieces, heads and requests that wait behind another may take a quarter of the budget in
addition to it."""
WAIT_SECONDS = 0.5
"""How long a request waits for memory before it is refused."""
MOST_WAITING = 16
"""Requests that may wait for memory; each may have a piece of its body in a buffer meanwhile."""


class Budget:
    """Bytes to take and to give back. `most_bytes` is what there is while nothing else needs it."""

    __slots__ = ("_waiting", "capacity_bytes", "most_bytes", "pieces_bytes", "used_bytes")

    def __init__(self, most_bytes: int = UNLIMITED_BYTES) -> None:
        self.most_bytes = most_bytes
        self.capacity_bytes = most_bytes
        """What may be in use now; less than `most_bytes` while the processes need more."""
        self.used_bytes = 0
        self.pieces_bytes = 0
        """Of `take_piece`."""
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def take(self, size: int) -> bool:
        """Take `size` bytes now, if there are as many. Does not queue: little is had at once."""
        if self.used_bytes + size > self.capacity_bytes:
            return False
        self.used_bytes += size
        return True

    def take_for_long(self, size: int) -> bool:
        """Take memory that a client may keep as long as it is connected: half of all is left to
        requests.
        """
        return self.used_bytes + size <= self.capacity_bytes // 2 and self.take(size)

    def take_piece(self, size: int) -> bool:
        """Take memory for the first piece of a request, until it has what it needs as a whole, or
        for a head, until it is complete.

        These pieces do not count as used: if they did, those who wait could keep each other from
        what they wait for.
        """
        if self.pieces_bytes + size > self.most_bytes // PIECES_PART:
            return False
        self.pieces_bytes += size
        return True

    def give_piece(self, size: int) -> None:
        """Give it back."""
        self.pieces_bytes -= size

    def give(self, size: int) -> None:
        """Give `size` bytes back, and let those go on who waited for them."""
        self.used_bytes -= size
        self._serve()

    async def wait(self, size: int) -> bool:
        """Take `size` bytes, after a wait of up to WAIT_SECONDS; False if there is no room."""
        if self.take(size):
            return True
        if size > self.most_bytes or len(self._waiting) >= MOST_WAITING:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turn
        except TimeoutError:
            return _was_given(turn)  # in the moment in which the wait ended, or not
        except BaseException:
            if _was_given(turn):
                self.give(size)
            raise
        finally:
            with suppress(ValueError):
                self._waiting.remove((size, turn))
        return True

    def resize(self, most_bytes: int, capacity_bytes: int) -> None:
        """Change what there is. What is held already may exceed it until it is given back."""
        self.most_bytes = most_bytes
        self.capacity_bytes = min(most_bytes, capacity_bytes)
        self._serve()

    def _serve(self) -> None:
        """Give what there is to those who wait, in their order."""
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.done():  # else it has just given up
                if not self.take(size):
                    return
                turn.set_result(None)
            self._waiting.popleft()


def _was_given(turn: asyncio.Future[None]) -> bool:
    """Whether the bytes were taken for it, whatever became of the wait."""
    return turn.done() and not turn.cancelled()
