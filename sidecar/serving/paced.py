"""Accepts connections at a limited rate, so that a flood of them takes a small share of the loop.

An event loop's own server accepts all that wait, and a connection takes longer to make than a hit
in memory to answer. Here a connection is made for those alone that have sent something, so many in
a second. Until then a socket waits, which costs next to nothing; those of the source with the
fewest go first, and beyond `MOST_WAITING` the oldest of the source with the most is closed. So
probes get through while another source floods the port.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

from sidecar.serving.pace import Pace

CONNECTIONS_PER_SECOND, CONNECTIONS_AT_ONCE = 100.0, 32
ACCEPTS_PER_SECOND, ACCEPTS_AT_ONCE = 6000.0, 128
PAUSE_SECONDS = 0.005
"""The shortest pause: to stop listening and to go on takes as long as some accepts."""
MOST_WAITING = 256
BACKLOG = 4096
"""All of them are accepted within a second, so that a probe behind them gets through."""
GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
"""The client has hung up, and would not read an answer."""
FAILED_SECONDS = 0.1
"""The pause after an error of the system where no socket waits, such as no free descriptor."""
LOOKED_AT_BYTES = 2048
"""Of what a client sends first, to know whether it is urgent."""


class PacedListener:
    """Listens on sockets, from `start` to `close`, and makes a protocol for each connection."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        protocol: Callable[[], asyncio.Protocol],
        is_urgent: Callable[[bytes], bool],
    ) -> None:
        """`sockets` are bound, and are closed here. `is_urgent` is asked for the first bytes that a
        client sends.
        """
        self._sockets = sockets
        self._protocol = protocol
        self._is_urgent = is_urgent
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, dict[int, socket.socket]] = {}
        """By source and descriptor, in the order in which they came. All are in `_heard`."""
        self._sources: dict[int, str] = {}
        self._urgent: dict[int, bool] = {}
        """Of those that have sent something, by descriptor."""
        self._heard = select.epoll()
        self._accepts = Pace(ACCEPTS_PER_SECOND, ACCEPTS_AT_ONCE)
        self._connections = Pace(CONNECTIONS_PER_SECOND, CONNECTIONS_AT_ONCE)
        self._pauses: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._starting: set[asyncio.Task[object]] = set()

    def start(self) -> None:
        for each in self._sockets:
            each.listen(BACKLOG)
            each.setblocking(False)
        self._listen()
        self._hear()

    def close(self) -> None:
        """Accept no more, and close what waits."""
        for pause in self._pauses.values():
            pause.cancel()
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()
        self._loop.remove_reader(self._heard)
        self._heard.close()
        for waiting in self._waiting.values():
            for each in waiting.values():
                each.close()

    # ---- sockets that come

    def _listen(self) -> None:
        for each in self._sockets:
            self._loop.add_reader(each, self._accept, each)

    def _accept(self, listening: socket.socket) -> None:
        try:
            accepted, address = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            if self._sources:
                self._close_oldest()  # it may be the descriptor that is missing
            else:
                self._stop_listening(FAILED_SECONDS)
            return
        accepted.setblocking(False)
        source, descriptor = str(address[0]), accepted.fileno()
        self._waiting.setdefault(source, {})[descriptor] = accepted
        self._sources[descriptor] = source
        self._heard.register(descriptor, select.EPOLLIN | select.EPOLLRDHUP)
        if len(self._sources) > MOST_WAITING:
            self._close_oldest()
        if seconds := self._accepts.take(self._loop.time()):
            self._stop_listening(max(seconds, PAUSE_SECONDS))

    def _close_oldest(self) -> None:
        """Of the source with the most."""
        crowd = max(self._waiting.values(), key=len)
        self._taken(next(iter(crowd))).close()

    def _stop_listening(self, seconds: float) -> None:
        for each in self._sockets:
            self._loop.remove_reader(each)
        self._pauses[self._listen] = self._loop.call_later(seconds, self._listen)

    # ---- connections of those that have sent something

    def _hear(self) -> None:
        self._loop.add_reader(self._heard, self._connect)

    def _connect(self) -> None:
        with suppress(InterruptedError):
            events = self._heard.poll(0)
            for descriptor, event in events:
                if event & GONE:
                    self._taken(descriptor).close()
            heard = [descriptor for descriptor, event in events if not event & GONE]
            if not heard:
                return
            first = min(heard, key=self._order)
            connected = self._loop.connect_accepted_socket(self._protocol, self._taken(first))
            task: asyncio.Task[object] = self._loop.create_task(connected)
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)
            if seconds := self._connections.take(self._loop.time()):
                self._loop.remove_reader(self._heard)
                self._pauses[self._hear] = self._loop.call_later(seconds, self._hear)

    def _order(self, descriptor: int) -> tuple[bool, int]:
        """Less for those that go first."""
        waiting = self._waiting[self._sources[descriptor]]
        if (is_urgent := self._urgent.get(descriptor)) is None:
            is_urgent = self._urgent[descriptor] = self._is_urgent(_begin(waiting[descriptor]))
        return not is_urgent, len(waiting)

    def _taken(self, descriptor: int) -> socket.socket:
        """A socket, which waits no longer."""
        source = self._sources.pop(descriptor)
        self._urgent.pop(descriptor, None)
        waiting = self._waiting[source]
        taken = waiting.pop(descriptor)
        if not waiting:
            del self._waiting[source]
        self._heard.unregister(descriptor)
        return taken


def _begin(waiting: socket.socket) -> bytes:
    """The first bytes that it was sent, which stay where they are."""
    with suppress(OSError):
        return waiting.recv(LOOKED_AT_BYTES, socket.MSG_PEEK)
    return b""
