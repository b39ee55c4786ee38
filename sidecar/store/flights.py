"""One load for many waiters, and what becomes of it when a write overtakes it.

A read of L3 takes a while, and the key may be written meanwhile. Whoever writes marks the flight as
overtaken and takes it off the board: those who wait then look again, and those who come later start
a flight of their own, behind the write. What a flight brings is believed only if nobody has marked
it, both when it lands and when its waiter gets to run.
"""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

Cargo = TypeVar("Cargo")


class Flight(Generic[Cargo]):
    """A read of one key that L3 has been asked for."""

    __slots__ = ("overtaken", "waiters")

    def __init__(self) -> None:
        self.overtaken = False
        self.waiters: list[asyncio.Future[Cargo]] = []

    def land(self, cargo: Cargo) -> None:
        """What L3 said, for all who still wait."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(cargo)


class Flights(Generic[Cargo]):
    """The flights under way, by key."""

    def __init__(self) -> None:
        self._board: dict[bytes, Flight[Cargo]] = {}

    def __len__(self) -> int:
        return len(self._board)

    def join(self, key: bytes) -> tuple[Flight[Cargo], asyncio.Future[Cargo]]:
        """The key's flight and a future of what it brings. The first to join must start it."""
        flight = self._board.get(key)
        if flight is None:
            flight = self._board[key] = Flight()
        waiter: asyncio.Future[Cargo] = asyncio.get_running_loop().create_future()
        flight.waiters.append(waiter)
        return flight, waiter

    def leave(self, key: bytes, flight: Flight[Cargo], waiter: asyncio.Future[Cargo]) -> None:
        """A waiter is done; after the last one the flight is off the board."""
        flight.waiters.remove(waiter)
        if not flight.waiters and self._board.get(key) is flight:
            del self._board[key]

    def overtake(self, key: bytes) -> None:
        """The key has been written or deleted."""
        flight = self._board.pop(key, None)
        if flight is not None:
            flight.overtaken = True

    def overtake_scope(self, scope: bytes) -> None:
        """All below `scope` has been invalidated; O(flights), which the reads of L3 bound."""
        for key in [key for key in self._board if key.startswith(scope)]:
            self.overtake(key)
