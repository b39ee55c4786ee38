"""One load for many waiters, and what becomes of it when a write overtakes it.

A read of L3 takes a while, and the key may be written meanwhile. Whoever writes marks the flight as
overtaken and takes it off the board: those who wait then look again, and those who come later start
a flight of their own, behind the write. What a flight brings is believed only if nobody has marked
it, both when it lands and when its waiter gets to run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from sidecar.tiers.disk import Answer, Read

Cargo = TypeVar("Cargo")


class Flight(Read, Generic[Cargo]):
    """A read of one key that L3 is asked for. On the board until its last waiter has run."""

    __slots__ = ("_cargo", "_on_answer", "overtaken", "waiters")

    def __init__(self, key: bytes, on_answer: Callable[[Flight[Cargo], Answer], None]) -> None:
        super().__init__(key)
        self.overtaken = False
        self.waiters: list[asyncio.Future[Cargo]] = []
        self._cargo: list[Cargo] = []  # one, once it has landed
        self._on_answer = on_answer

    def answer(self, answer: Answer) -> None:
        self._on_answer(self, answer)

    def land(self, cargo: Cargo) -> None:
        """What L3 said, for all who wait and who come before the last of them has run."""
        self._cargo.append(cargo)
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(cargo)

    def board(self) -> asyncio.Future[Cargo]:
        """Wait for what it brings; the caller `leave`s when it has run."""
        waiter: asyncio.Future[Cargo] = asyncio.Future()
        self.waiters.append(waiter)
        if self._cargo:
            waiter.set_result(self._cargo[0])
        return waiter


class Flights(Generic[Cargo]):
    """The flights under way, by key."""

    def __init__(
        self,
        depart: Callable[[Flight[Cargo]], None],
        on_answer: Callable[[Flight[Cargo], Answer], None],
    ) -> None:
        """`depart` asks L3, and may be answered at once; `on_answer` lands the flight."""
        self._depart = depart
        self._on_answer = on_answer
        self._board: dict[bytes, Flight[Cargo]] = {}

    def __len__(self) -> int:
        return len(self._board)

    def of(self, key: bytes) -> Flight[Cargo]:
        """The flight that is under way, or one that departs now."""
        flight = self._board.get(key)
        if flight is None:
            flight = self._board[key] = Flight(key, self._on_answer)
            self._depart(flight)
        return flight

    def leave(self, flight: Flight[Cargo], waiter: asyncio.Future[Cargo]) -> None:
        """A waiter is done; after the last one the flight is off the board."""
        flight.waiters.remove(waiter)
        if not flight.waiters and self._board.get(flight.key) is flight:
            del self._board[flight.key]

    def overtake(self, key: bytes) -> None:
        """The key has been written or deleted."""
        flight = self._board.pop(key, None)
        if flight is not None:
            flight.overtaken = True

    def overtake_scope(self, scope: bytes) -> None:
        """All below `scope` has been invalidated; O(flights), which the reads of L3 bound."""
        for key in [key for key in self._board if key.startswith(scope)]:
            self.overtake(key)
