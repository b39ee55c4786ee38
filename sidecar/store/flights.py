"""One load for many waiters, and what becomes of it when a write overtakes it.

The key may be written while L3 is asked for it. The write marks the flight as overtaken and removes
it from the board. Those who wait for it then look again; those who come later start a new flight,
behind the write. A waiter does not run as soon as the flight lands, which gives two races:

1. A get of K starts a flight.                 1. A get of K starts a flight.
2. A put of K is issued.                       2. L3 answers; the flight lands; the waiter is due.
3. L3 answers with the version before it.      3. A put of K is issued.
4. The flight lands.                           4. The waiter runs, with the version before the put.

So the mark is checked twice: when the flight lands (before its version is promoted) and when the
waiter runs (before it returns the version). For the second check a flight stays on the board until
it has landed and every waiter has run, so that a write still finds it there. A flight that nobody
waits for any more stays until it lands: its version is promoted, too.
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
        self.aboard = 1  # waiters that have not run since it landed
        self.waiters = [waiter]
        self.cargo: tuple[Cargo] | None = None  # once it has landed


class Flights(Generic[Cargo]):
    """The flights under way, by key."""

    def __init__(self, depart: Callable[[Flight[Cargo]], None]) -> None:
        """`depart` asks L3. Who takes in the answer calls `land`, which may be at once."""
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
        """Give the answer to all who wait, and to who comes before the last of them has run."""
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
