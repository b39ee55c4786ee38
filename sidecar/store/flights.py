"""One load for many waiters, and what becomes of it when a write overtakes it.

A read of L3 takes a while, and the key may be written meanwhile. Whoever writes marks the flight as
overtaken and takes it off the board: those who wait then look again, and those who come later start
a flight of their own, behind the write. What a flight brings is believed only if nobody has marked
it, both when it lands and when its waiter gets to run. So it is on the board until both is over:
one that nobody waits for any more still brings something.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from sidecar.tiers.disk import Read

Cargo = TypeVar("Cargo")


class Flight(Read, Generic[Cargo]):
    """A read of one key that L3 is asked for."""

    __slots__ = ("aboard", "cargo", "overtaken", "waiters")

    def __init__(self, key: bytes, waiter: asyncio.Future[Cargo]) -> None:
        super().__init__(key)
        self.overtaken = False
        self.aboard = 1  # those who wait, and have not run since it landed
        self.waiters = [waiter]
        self.cargo: tuple[Cargo] | None = None  # once it has landed


class Flights(Generic[Cargo]):
    """The flights under way, by key."""

    def __init__(self, depart: Callable[[Flight[Cargo]], None]) -> None:
        """`depart` asks L3. Whoever hears the answer lands the flight, maybe at once."""
        self._depart = depart
        self._board: dict[bytes, Flight[Cargo]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._board)

    def board(self, key: bytes) -> tuple[Flight[Cargo], asyncio.Future[Cargo]]:
        """Wait for what the flight under way brings, or one that departs now; the caller `leave`s
        when it has run.
        """
        loop = self._loop
        if loop is None:  # kept, since to look for it asks the kernel which process this is
            loop = self._loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Cargo] = loop.create_future()
        flight = self._board.get(key)
        if flight is None:
            flight = self._board[key] = Flight(key, waiter)
            self._depart(flight)
        else:
            flight.aboard += 1
            if flight.cargo is None:
                flight.waiters.append(waiter)
            else:
                waiter.set_result(flight.cargo[0])
        return flight, waiter

    def land(self, flight: Flight[Cargo], cargo: Cargo) -> None:
        """What L3 said, for all who wait and who come before the last of them has run."""
        flight.cargo = (cargo,)
        for waiter in flight.waiters:
            if not waiter.done():
                waiter.set_result(cargo)
        if not flight.aboard:
            self._remove(flight)

    def leave(self, flight: Flight[Cargo]) -> None:
        """A waiter is done, or has given up."""
        flight.aboard -= 1
        if not flight.aboard and flight.cargo is not None:
            self._remove(flight)

    def overtake(self, key: bytes) -> None:
        """The key has been written or deleted."""
        flight = self._board.pop(key, None)
        if flight is not None:
            flight.overtaken = True

    def overtake_scope(self, scope: bytes) -> None:
        """All below `scope` has been invalidated; O(flights), which the reads of L3 bound."""
        for key in [key for key in self._board if key.startswith(scope)]:
            self.overtake(key)

    def _remove(self, flight: Flight[Cargo]) -> None:
        if not flight.overtaken:  # else another may have its place
            del self._board[flight.key]
