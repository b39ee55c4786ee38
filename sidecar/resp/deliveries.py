"""Messages to many clients, a bounded number of them in a turn of the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

A_TURN = 256
"""Messages that are sent in a turn, each in about 5 microseconds."""
T = TypeVar("T")


class Deliveries:
    """What is delivered, in the order in which it was added: at once, unless it is too much."""

    def __init__(self) -> None:
        self._queue: deque[tuple[Iterator[Any], Callable[[Any], None]]] = deque()
        self._left = 0  # of this turn
        self._is_due = False  # `_next_turn` will be called
        self._when_done: list[Callable[[], None]] = []

    def add(self, receivers: Iterable[T], give: Callable[[T], None]) -> None:
        """Call `give` for each. What was true of a receiver may have changed by then."""
        self._queue.append((iter(receivers), give))
        if not self._is_due:
            self._is_due = True
            self._left = A_TURN
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._go_on()

    @property
    def is_done(self) -> bool:
        return not self._queue

    def when_done(self, call: Callable[[], None]) -> None:
        """Call it in a later turn, when nothing is left."""
        self._when_done.append(call)

    def _next_turn(self) -> None:
        self._left = A_TURN
        if self._queue:
            asyncio.get_running_loop().call_soon(self._next_turn)
            self._go_on()
            return
        self._is_due = False
        calls, self._when_done = self._when_done, []
        for call in calls:
            call()

    def _go_on(self) -> None:
        while self._queue and self._left:
            receivers, give = self._queue[0]
            left = self._left
            for receiver in islice(receivers, left):
                self._left -= 1
                give(receiver)
            if self._left:
                self._queue.popleft()
