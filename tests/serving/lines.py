"""A listener without HTTP: it answers each line with the same line, through an admission."""

from __future__ import annotations

import asyncio
from functools import partial

from sidecar.serving.admission import Admission
from sidecar.serving.idle import IdleConnections

WAITS = b"wait"
"""A line that is answered after `Lines.release` is called."""
ABSENT = b"absent"
"""A line that is answered with status 404."""


class Lines:
    """The listener: its connections, and the event that waiting lines wait for."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.connections: set[LineConnection] = set()
        self.released = asyncio.Event()
        self._idle = IdleConnections(self.connections, admission)
        self._server: asyncio.Server

    async def start(self) -> int:
        """Returns the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(partial(LineConnection, self), "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._idle.stop()
        self._server.close()
        for connection in [*self.connections]:
            connection.transport.abort()
        while self.connections:
            await asyncio.sleep(0)
        await self._server.wait_closed()


class LineConnection(asyncio.Protocol):
    """One client. An incomplete line counts as a body in progress."""

    transport: asyncio.Transport

    def __init__(self, listener: Lines) -> None:
        self._listener = listener
        self._admission = listener.admission
        self._begun = b""
        self._held = 0
        self._admitted = False
        self._idle_since = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._admitted = self._admission.admits_connection()
        if not self._admitted:
            transport.write(b"-too many connections\n")
            transport.close()
            return
        self._admission.connections += 1
        self._listener.connections.add(self)
        self._idle_since = asyncio.get_running_loop().time()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._admitted:
            self._admission.connections -= 1
            self._admission.budget.give(self._held)
            self._listener.connections.discard(self)
        for task in self._tasks:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        *lines, self._begun = (self._begun + data).split(b"\n")
        if not self._hold(len(self._begun)):
            self.transport.write(b"-too many bytes\n")
            self.transport.close()
        for line in lines:
            task = asyncio.get_running_loop().create_task(self._answer(line))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _hold(self, size: int) -> bool:
        more = size - self._held
        if more > 0 and not self._admission.admits_bytes(more):
            return False
        if more < 0:
            self._admission.budget.give(-more)
        self._held = size
        return True

    def end_if_idle_since(self, moment: float) -> None:
        if not self._tasks and self._idle_since <= moment:
            self.transport.close()

    def end_if_closing(self, _now: float) -> None:
        """Its answers are short."""

    async def _answer(self, line: bytes) -> None:
        began_at = self._admission.begin()
        status: int | None = None
        try:
            if not self._admission.admits_request(lambda: line == WAITS):
                status, answer = 503, b"-too many requests"
            else:
                if line == WAITS:
                    await self._listener.released.wait()
                status, answer = (404, b"-absent") if line == ABSENT else (200, line)
            self.transport.write(answer + b"\n")
        finally:
            self._admission.end("echo", status, began_at)
            self._idle_since = asyncio.get_running_loop().time()
