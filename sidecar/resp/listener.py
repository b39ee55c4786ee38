"""Connections to the Redis protocol, on any number of sockets: their limits, and their end."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from sidecar.resp.arrivals import Arrivals
from sidecar.resp.connection import Connection, Outgoing
from sidecar.resp.service import Service
from sidecar.serving.room import Room

TOO_MANY = b"-ERR max number of clients reached\r\n"
LOOK_SECONDS = 1.0


class Refusal(asyncio.Protocol):
    """A connection over the limit: it is told so, and closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (of a stream)
        transport.write(TOO_MANY)
        transport.close()


class Listener:
    """Makes the protocol of each connection, and ends those whose client takes too long."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._connections: set[Connection] = set()
        self._room = Room(self._connections, service.admission.limits)
        self._arrivals = Arrivals(service)
        self._outgoing = Outgoing()
        self._next_look: asyncio.TimerHandle | None = None
        self._are_gone: asyncio.Event | None = None  # the connections, while it closes

    def __call__(self) -> asyncio.Protocol:
        if self._next_look is None:
            self._look()
        if self._service.admission.admits_connection(self._room.make):
            connection = Connection(self._service, self._arrivals, self._outgoing, self._forget)
            self._connections.add(connection)
            return connection
        return Refusal()

    async def close(self, seconds: float) -> None:
        """Close all connections, once they have their replies or so many seconds are over."""
        if self._next_look is not None:
            self._next_look.cancel()
        self._are_gone = asyncio.Event()
        self._arrivals.answer()
        for connection in tuple(self._connections):
            connection.end()
        if self._connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._are_gone.wait(), seconds)
        for connection in tuple(self._connections):
            connection.abort()

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections and self._are_gone is not None:
            self._are_gone.set()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in tuple(self._connections):
            connection.look(now)
        self._next_look = loop.call_later(LOOK_SECONDS, self._look)
