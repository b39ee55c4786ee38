"""One read of L3 for all waiters of a key, and its races with writes.

The key may be written while it is read from L3. The write marks the flight as overtaken and removes
it from the board. Its waiters then look again; later reads start a new flight, behind the write. A
callback runs in the moment when the flight lands, but a coroutine only later, so there are two
races:

1. A get of K starts a flight.             1. A get of K starts a flight.
2. A put of K is issued.                   2. L3 answers; the flight lands; the coroutine is due.
3. L3 answers with the version before it.  3. A put of K is issued.
4. The flight lands.                       4. The coroutine runs, with the version before the put.

So the mark is checked when the flight lands (before its version is promoted), and once more when a
coroutine runs (before it returns the version). For the second check a flight stays on the board
until it has landed and every coroutine has run, so that a write still finds it there. A flight
without waiters stays until it lands, since its version is promoted as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

import structlog

from sidecar.tiers.disk import Read

log = structlog.get_logger("sidecar.store")

Cargo = TypeVar("Cargo")
OnLanding = Callable[[bool, Cargo], None]
"""Called with whether the flight was overtaken, and its result."""


class Flight(Read, Generic[Cargo], eq=False, kw_only=True):
    """A read of one key from L3."""

    on_landing: list[OnLanding[Cargo]]
    overtaken: bool = False
    aboard: int = 0  # coroutines that have not run since it landed
    cargo: tuple[Cargo] | None = None  # once it has landed


class Flights(Generic[Cargo]):
    """The flights in progress, by key."""

    def __init__(self, depart: Callable[[Flight[Cargo]], None]) -> None:
        """`depart` reads from L3. The receiver of the answer calls `land`, possibly at once."""
        self._depart = depart
        self._board: dict[bytes, Flight[Cargo]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._board)

    def __contains__(self, key: bytes) -> bool:
        return key in self._board

    def call(self, key: bytes, on_landing: OnLanding[Cargo], *, aboard: int = 0) -> Flight[Cargo]:
        """Call back when the flight in progress lands, or a new one; at once if it has landed."""
        flight = self._board.get(key)
        if flight is None:
            flight = self._board[key] = Flight(key, aboard=aboard, on_landing=[on_landing])
            self._depart(flight)
            return flight
        flight.aboard += aboard
        if flight.cargo is None:
            flight.on_landing.append(on_landing)
        else:
            on_landing(False, flight.cargo[0])
        return flight

    async def wait(self, key: bytes) -> tuple[bool, Cargo]:
        """What `call` calls back with, for a coroutine: whether the flight was overtaken before the
        coroutine ran, and its result.
        """
        loop = self._loop
        if loop is None:  # cached, since looking it up calls getpid
            loop = self._loop = asyncio.get_running_loop()
        arrival: asyncio.Future[Cargo] = loop.create_future()
        flight = self.call(key, partial(_arrive, arrival), aboard=1)
        try:
            cargo = await arrival
        finally:
            flight.aboard -= 1
            # If it was overtaken, another flight may have its place.
            if not (flight.aboard or flight.overtaken) and flight.cargo is not None:
                del self._board[key]
        return flight.overtaken, cargo

    def land(self, flight: Flight[Cargo], cargo: Cargo) -> None:
        """Pass the answer to all waiters, and to those who join before the last of them has run."""
        flight.cargo = (cargo,)
        for on_landing in flight.on_landing:
            try:
                on_landing(flight.overtaken, cargo)
            except Exception:  # the other waiters, and the flights behind this one, are still due
                log.exception("An answer from L3 could not be passed on")
        if not (flight.aboard or flight.overtaken):
            del self._board[flight.key]

    def overtake(self, key: bytes) -> None:
        """Mark the flight of a key that was written or deleted."""
        flight = self._board.pop(key, None)
        if flight is not None:
            flight.overtaken = True

    def overtake_scope(self, scope: bytes) -> None:
        """Mark the flights of all keys below `scope`. O(flights), which L3's read limit bounds."""
        for key in [key for key in self._board if key.startswith(scope)]:
            self.overtake(key)


def _arrive(arrival: asyncio.Future[Cargo], _overtaken: bool, cargo: Cargo) -> None:
    if not arrival.done():
        arrival.set_result(cargo)
