"""The sockets of all APIs: bound, and closed once requests are answered."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from aiohttp import web

from sidecar.app.settings import Settings, StartError
from sidecar.http.server import Server
from sidecar.process.descriptors import most_descriptors
from sidecar.resp.listener import Listener
from sidecar.serving.limits import Limits
from sidecar.serving.paced import PacedListener
from sidecar.serving.socket_file import SocketFile

DRAIN_SECONDS = 0.5
"""How long open requests may take to finish when the sidecar stops; 1.5 s together with L3."""
BACKLOG = 1024
"""Connections to the data API that may wait to be accepted: all clients may connect at once."""
OTHER_DESCRIPTORS = 400
"""What connections to the data API leave: for those of the ops API, for refusals, and for files."""
LEAST_SHARE, REFUSALS_SHARE = 1 / 4, 1 / 20
"""Of all descriptors: the least for connections to the data API, and the most for its refusals. A
refusal has one for a second, in which no probe could be accepted if there were no other.
"""

PROBES = (b"GET /livez", b"GET /readyz")
"""How the requests begin that are answered before all others."""

log = structlog.get_logger("sidecar.app")


def data_limits() -> Limits:
    """The limits of the data API: with fewer connections where the system gives few descriptors, so
    that probes get through.
    """
    most, limits = most_descriptors(), Limits()
    if most is None:
        return limits
    connections = max(int(most * LEAST_SHARE), most - OTHER_DESCRIPTORS)
    return Limits(
        connections=min(limits.connections, connections),
        refusals=min(limits.refusals, int(most * REFUSALS_SHARE)),
    )


class Listeners:
    """All APIs, from `open` to `close`."""

    def __init__(self, settings: Settings, data: Server, ops: Server, resp: Listener) -> None:
        self._settings = settings
        self._data = data
        self._ops = ops
        self._resp = resp
        self._resp_servers: list[asyncio.Server] = []
        self._runners: list[web.BaseRunner] = []
        self._ops_listener: PacedListener | None = None
        self._files: list[SocketFile] = []
        self.ports: dict[str, int] = {}
        """The ports of the data API (`http`), the ops API (`ops`) and the Redis protocol (`resp`);
        for 0, the chosen one.
        """
        self.trouble: dict[str, str] = {}
        """Why the default port of a protocol is not listened on; nothing if it is."""

    async def open(self) -> None:
        """Raises StartError; `close` must be awaited in that case too."""
        settings = self._settings
        self.ports["http"] = await self._bind_data(settings.data_bind)
        self.ports["ops"] = await self._bind_ops(settings.ops_bind)
        if settings.data_socket is not None:
            await self._bind_socket(settings.data_socket, settings.data_socket_mode)
        if settings.resp_bind is not None:
            await self._bind_resp(settings.resp_bind)
        if settings.resp_socket is not None:
            await self._bind_resp_socket(settings.resp_socket, settings.data_socket_mode)

    async def close(self) -> None:
        """Finish open requests within DRAIN_SECONDS, and remove the socket's file."""
        try:
            if self._ops_listener is not None:
                self._ops_listener.close()
            for server in self._resp_servers:
                server.close()
            await asyncio.gather(
                self._resp.close(DRAIN_SECONDS), *(runner.cleanup() for runner in self._runners)
            )
        finally:
            for file in self._files:
                file.remove()

    def listening(self) -> dict[str, bool]:
        """By protocol: whether it is listened for where it was asked for; without those that were
        switched off.
        """
        is_asked_for = self._settings.resp_bind or self._settings.resp_socket
        protocols = ("http", "ops", *(["resp"] if is_asked_for else []))
        return {name: name not in self.trouble for name in protocols}

    def notes(self) -> list[str]:
        """What is wrong, in sentences."""
        why = self.trouble.get("resp")
        return [] if why is None else [f"The Redis protocol is not served: {why}."]

    async def _bind_data(self, bind: tuple[str, int]) -> int:
        runner = await self._runner(self._data)
        try:
            sockets = await _bound(*bind)
            for each in sockets:
                await web.SockSite(runner, each, backlog=BACKLOG).start()
        except OSError as error:
            raise _not_bound(bind, "--data-bind", error) from None
        return int(sockets[0].getsockname()[1])

    async def _bind_ops(self, bind: tuple[str, int]) -> int:
        await self._runner(self._ops)
        try:
            sockets = await _bound(*bind)
        except OSError as error:
            raise _not_bound(bind, "--ops-bind", error) from None
        self._ops_listener = PacedListener(sockets, self._ops, _is_probe)
        self._ops_listener.start()
        return int(sockets[0].getsockname()[1])

    async def _bind_resp(self, bind: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        try:
            sockets = await _bound(*bind)
            for each in sockets:
                server = await loop.create_server(self._resp, sock=each, backlog=BACKLOG)
                self._resp_servers.append(server)
        except OSError as error:
            refused = _not_bound(bind, "--resp-bind", error)
            if self._settings.resp_bind_is_stated:
                raise refused from None
            self.trouble["resp"] = str(refused)
            log.warning("The Redis protocol is not served", reason=str(refused))
            return
        self.ports["resp"] = int(sockets[0].getsockname()[1])

    async def _bind_socket(self, path: Path, mode: int) -> None:
        """Listen on a Unix socket, replacing one that an earlier process left behind."""
        runner = await self._runner(self._data)
        with self._socket_file(path, mode, "--data-socket"):
            await web.UnixSite(runner, str(path), backlog=BACKLOG).start()

    async def _bind_resp_socket(self, path: Path, mode: int) -> None:
        loop = asyncio.get_running_loop()
        with self._socket_file(path, mode, "--resp-socket"):
            server = await loop.create_unix_server(self._resp, str(path), backlog=BACKLOG)
            self._resp_servers.append(server)

    @contextmanager
    def _socket_file(self, path: Path, mode: int, flag: str) -> Iterator[None]:
        """The file of a Unix socket on which a server begins to listen. Raises StartError."""
        file = SocketFile(path)
        self._files.append(file)
        try:
            file.clear()
            yield
            file.taken(mode)
        except OSError as error:
            raise StartError(f"{flag} {path}: {error.strerror}") from None

    async def _runner(self, server: Server) -> web.BaseRunner:
        # aiohttp waits twice: for the handler, and once more when it has cut its body off.
        runner = web.ServerRunner(server, shutdown_timeout=DRAIN_SECONDS / 2)
        await runner.setup()
        self._runners.append(runner)
        return runner


def _is_probe(begin: bytes) -> bool:
    """Whether it is the whole head of a probe: one that is half may stay so."""
    return begin.startswith(PROBES) and begin.endswith(b"\r\n\r\n")


async def _bound(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of the host; with port 0, of the same one. Raises OSError.

    `::` is every address, of IPv4 too.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((each[0], each[4]) for each in found):
            sockets.append(socket.socket(family, socket.SOCK_STREAM))
            sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sockets[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
            sockets[-1].bind((address[0], port, *address[2:]))
            port = port or sockets[0].getsockname()[1]
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets


def _not_bound(bind: tuple[str, int], flag: str, error: OSError) -> StartError:
    host, port = bind
    return StartError(
        f"{host}:{port} can't be listened on ({_why(error)}): end what uses it, or choose another "
        f"address with {flag}"
    )


def _why(error: OSError) -> str:
    """The reason alone: event loops add the address to it. Resolvers have numbers of their own."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)
