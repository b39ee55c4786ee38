"""Clients that wait for their turn, where all of them want more than fits a turn of the loop.

The loop serves the other listeners too, and probes. If each client took its slice in every turn,
a turn would be as long as there are clients. So what clients have just sent is worked off as it
comes for `TURN_SECONDS` at most, and all that is left in slices, of which a turn has those that fit
`SLICES_SECONDS`. Clients with little to do go first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import Protocol

TURN_SECONDS = 0.05
"""More than a thousand pipelines of sixteen hits in memory take."""
SLICES_SECONDS = 0.01
MOST_SLICE_SECONDS, LEAST_SLICE_SECONDS = 0.002, 0.0001


class Waiter(Protocol):
    """A client that waits."""

    def take_turn(self) -> None:
        """Do what there is to do, in about a slice."""


class Waiting:
    """The clients that wait, in two queues."""

    def __init__(self) -> None:
        self._few: deque[Waiter] = deque()
        self._many: deque[Waiter] = deque()
        self._is_due = False
        self._until: float | None = None
        """When what has just been sent has to wait; None until something is, in this turn."""

    def has_time(self) -> bool:
        """Whether what has just been sent may be worked off now."""
        if self._until is None:
            self._until = perf_counter() + TURN_SECONDS
            asyncio.get_running_loop().call_soon(self._end_turn)
            return True
        return perf_counter() < self._until

    def _end_turn(self) -> None:
        self._until = None

    @property
    def slice_seconds(self) -> float:
        """How long a client may run: so long that each has its turn within tenths of a second."""
        share = SLICES_SECONDS / (1 + len(self._few) + len(self._many))
        return min(MOST_SLICE_SECONDS, max(LEAST_SLICE_SECONDS, share))

    def add(self, client: Waiter, *, has_little: bool) -> None:
        """Let it have its turn, once."""
        (self._few if has_little else self._many).append(client)
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._give_turns)

    def _give_turns(self) -> None:
        self._is_due = False
        until = perf_counter() + SLICES_SECONDS
        few, many = self._few, self._many
        while few and perf_counter() < until:
            few.popleft().take_turn()
        if many:
            many.popleft().take_turn()  # whatever the others take
        while many and perf_counter() < until:
            many.popleft().take_turn()
        if (few or many) and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._give_turns)
