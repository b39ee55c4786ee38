"""A client's connection: its limits, and what it sends and is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from sidecar.resp.arrivals import Arrivals
from sidecar.resp.client import Client
from sidecar.resp.service import Service
from sidecar.serving.kernel import bound_kernel_buffer

LARGE_BYTES = 1 << 10
"""More is sent at once: what is not read of it has to be known before anything else is run."""
MOST_PUT_OFF_BYTES = 256 << 10


class Outgoing:
    """Connections with replies that are sent when all requests of a turn of the loop have been
    read. A client that is woken by a reply is awake for the next one, if that follows quickly; to
    wake it takes longer than to answer.
    """

    def __init__(self) -> None:
        self._connections: list[Connection] = []
        self._bytes = 0
        self._loop = asyncio.get_running_loop()

    def add(self, connection: Connection, size: int) -> None:
        self._connections.append(connection)
        if len(self._connections) == 1:
            self._loop.call_soon(self._flush)
        self.count(size)

    def count(self, size: int) -> None:
        """So much more waits. Much is sent at once: what is not read of it has to be known."""
        self._bytes += size
        if self._bytes > MOST_PUT_OFF_BYTES:
            self._flush()

    def _flush(self) -> None:
        connections, self._connections = self._connections, []
        self._bytes = 0
        for connection in connections:
            connection.flush()


class Connection(asyncio.Protocol):
    """One connection. What its client has not read is bounded: nothing runs for it until then."""

    __slots__ = (
        "_arrivals",
        "_busy_since",
        "_client",
        "_forget",
        "_gave_way",
        "_heard_at",
        "_is_held_back",
        "_is_reading",
        "_link",
        "_outgoing",
        "_service",
        "_tasks",
        "_unsent",
        "data_received",
    )

    def __init__(
        self,
        service: Service,
        arrivals: Arrivals,
        outgoing: Outgoing,
        forget: Callable[[Connection], None],
    ) -> None:
        """`forget` is called when it has ended."""
        self._service = service
        self._forget = forget
        self._link: Any = None
        self._arrivals = arrivals
        self._outgoing = outgoing
        self._unsent = b""
        self._client = Client(service, self)
        # Bound once: each request calls it.
        self.data_received = partial(arrivals.add, self._client)  # type: ignore[method-assign]
        self._is_reading = True
        self._is_held_back = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy_since: float | None = None
        self._gave_way = False
        self._heard_at = 0.0  # when it was last seen to have sent something, at a look

    # ---- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._link = transport
        admission = self._service.admission
        admission.count_connection(1)
        self._link.set_write_buffer_limits(0)
        bound_kernel_buffer(transport, admission.kernel_bytes)
        self._service.joined(self._client)
        self._heard_at = asyncio.get_running_loop().time()

    def pause_writing(self) -> None:
        self._is_held_back = True
        self._client.hold_back(self._link.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._is_held_back = False
        self._client.go_on()

    def eof_received(self) -> bool:
        self._arrivals.answer()
        self._client.no_more()
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        for task in self._tasks:
            task.cancel()
        self._client.lost()
        self._forget(self)
        if not self._gave_way:
            self._service.admission.count_connection(-1)

    # ---- looked at by the listener

    def look(self, now: float) -> None:
        """Called once a second: end it if its client takes too long to read, or to send what it has
        begun.
        """
        if self._link is None:  # it is about to be made
            return
        client, limits = self._client, self._service.admission.limits
        if client.has_received:
            client.has_received = False
            client.active_at = client.clock()
            self._heard_at = now
        if not (self._is_held_back or client.has_half_a_request or self._link.is_closing()):
            self._busy_since = None
        elif self._busy_since is None:
            self._busy_since = now
        elif now - self._busy_since > limits.send_seconds:
            self.abort()

    @property
    def silent_since(self) -> float | None:
        """See `serving.room`."""
        is_open = self._link is not None and not self._gave_way
        client = self._client
        is_idle = is_open and not (client.is_at_work or client.subscribed or client.tracking)
        return self._heard_at if is_idle else None

    @property
    def source(self) -> str:
        peer = None if self._link is None else self._link.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else ""

    def give_way(self) -> None:
        self._gave_way = True
        admission = self._service.admission
        admission.count_connection(-1)
        admission.stats.shed["silent"] += 1
        self.abort()

    def end(self) -> None:
        """Close it once it has its replies."""
        if not self._client.is_at_work:
            self.close()

    def abort(self) -> None:
        if self._link is not None:
            self._link.abort()

    # ---- Link

    def send(self, data: bytes) -> None:
        if len(data) > LARGE_BYTES:
            self.send_now(data)
        elif self._unsent:
            self._unsent += data
            self._outgoing.count(len(data))
        else:
            self._unsent = data
            self._outgoing.add(self, len(data))

    def send_now(self, data: bytes) -> None:
        if self._unsent:
            self.flush()
        self._link.write(data)

    def flush(self) -> None:
        """Send what was put off."""
        if self._unsent:
            data, self._unsent = self._unsent, b""
            self._link.write(data)

    def close(self) -> None:
        self.flush()
        self._link.close()

    def read_on(self, wanted: bool, /) -> None:
        if wanted is not self._is_reading and not self._link.is_closing():
            self._is_reading = wanted
            if wanted:
                self._link.resume_reading()
            else:
                self._link.pause_reading()

    def spawn(self, work: Coroutine[Any, Any, None], /) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def describe(self) -> tuple[str, str, int]:
        found = self._link.get_extra_info("socket")
        address, local = (
            f"{name[0]}:{name[1]}" if isinstance(name, tuple) else f"{name or ''}:0"
            for name in map(self._link.get_extra_info, ("peername", "sockname"))
        )
        return address, local, -1 if found is None else found.fileno()
