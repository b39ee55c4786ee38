"""One read of L3 for all waiters of a key, and its races with writes.

The key may be written while it is read from L3. The write marks the flight as overtaken and removes
it from the board. Its waiters then look again; later reads start a new flight, behind the write. A
waiter does not run at the moment when the flight lands, so there are two races:

1. A get of K starts a flight.                 1. A get of K starts a flight.
2. A put of K is issued.                       2. L3 answers; the flight lands; the waiter is due.
3. L3 answers with the version before it.      3. A put of K is issued.
4. The flight lands.                           4. The waiter runs, with the version before the put.

So the mark is checked twice: when the flight lands (before its version is promoted) and when the
waiter runs (before it returns the version). For the second check a flight stays on the board until
it has landed and every waiter has run, so that a write still finds it there. A flight without
waiters stays until it lands, since its version is promoted as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from sidecar.tiers.disk import Read

Cargo = TypeVar("Cargo")


class Flight(Read, Generic[Cargo]):
    """A read of one key from L3."""

    __slots__ = ("aboard", "cargo", "overtaken", "waiters")

    def __init__(self, key: bytes, waiter: asyncio.Future[Cargo]) -> None:
        super().__init__(key)
        self.overtaken = False
        self.aboard = 1  # waiters that have not run since it landed
        self.waiters = [waiter]
        self.cargo: tuple[Cargo] | None = None  # once it has landed


class Flights(Generic[Cargo]):
    """The flights in progress, by key."""

    def __init__(self, depart: Callable[[Flight[Cargo]], None]) -> None:
        """`depart` reads from L3. The receiver of the answer calls `land`, possibly at once."""
        self._depart = depart
        self._board: dict[bytes, Flight[Cargo]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._board)

    def board(self, key: bytes) -> tuple[Flight[Cargo], asyncio.Future[Cargo]]:
        """Wait for the result of the flight in progress, or of a new one. The caller calls `leave`
        when it has run.
        """
        loop = self._loop
        if loop is None:  # cached, since looking it up calls getpid
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
        """Pass the answer to all waiters, and to those who join before the last of them has run."""
        flight.cargo = (cargo,)
        for waiter in flight.waiters:
            if not waiter.done():
                waiter.set_result(cargo)
        if not flight.aboard:
            self._remove(flight)

    def leave(self, flight: Flight[Cargo]) -> None:
        """A waiter has finished or was cancelled."""
        flight.aboard -= 1
        if not flight.aboard and flight.cargo is not None:
            self._remove(flight)

    def overtake(self, key: bytes) -> None:
        """Mark the flight of a key that was written or deleted."""
        flight = self._board.pop(key, None)
        if flight is not None:
            flight.overtaken = True

    def overtake_scope(self, scope: bytes) -> None:
        """Mark the flights of all keys below `scope`. O(flights), which L3's read limit bounds."""
        for key in [key for key in self._board if key.startswith(scope)]:
            self.overtake(key)

    def _remove(self, flight: Flight[Cargo]) -> None:
        if not flight.overtaken:  # otherwise another flight may have its place
            del self._board[flight.key]
