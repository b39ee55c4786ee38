"""The sockets of the data API and of the ops API: bound, and closed once requests are answered."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from aiohttp import web

from sidecar.app.settings import Settings, StartError
from sidecar.http.server import Server
from sidecar.serving.socket_file import SocketFile

DRAIN_SECONDS = 0.5
"""How long open requests may take to finish when the sidecar stops; 1.5 s together with L3."""


class Listeners:
    """Both APIs, from `open` to `close`."""

    def __init__(self, settings: Settings, data: Server, ops: Server) -> None:
        self._settings = settings
        self._data = data
        self._ops = ops
        self._runners: list[web.BaseRunner] = []
        path = settings.data_socket
        self._file = None if path is None else SocketFile(path)
        self.ports: dict[str, int] = {}
        """The ports of the data API (`http`) and the ops API (`ops`); for 0, the chosen one."""

    async def open(self) -> None:
        """Raises StartError; `close` must be awaited in that case too."""
        settings = self._settings
        self.ports["http"] = await self._bind(self._data, settings.data_bind, "--data-bind")
        self.ports["ops"] = await self._bind(self._ops, settings.ops_bind, "--ops-bind")
        if settings.data_socket is not None and self._file is not None:
            await self._bind_socket(settings.data_socket, self._file)

    async def close(self) -> None:
        """Finish open requests within DRAIN_SECONDS, and remove the socket's file."""
        try:
            await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        finally:
            if self._file is not None:
                self._file.remove()

    async def _bind(self, server: Server, bind: tuple[str, int], flag: str) -> int:
        host, port = bind
        runner = await self._runner(server)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise StartError(
                f"{host}:{port} can't be listened on ({_why(error)}): end what uses it, "
                f"or choose another address with {flag}"
            ) from None
        return int(runner.addresses[0][1])

    async def _bind_socket(self, path: Path, file: SocketFile) -> None:
        """Listen on a Unix socket, replacing one that an earlier process left behind."""
        try:
            file.clear()
            await web.UnixSite(await self._runner(self._data), str(path)).start()
            file.taken()
        except OSError as error:
            raise StartError(f"--data-socket {path}: {error.strerror}") from None

    async def _runner(self, server: Server) -> web.BaseRunner:
        # aiohttp waits twice: for the handler, and once more when it has cut its body off.
        runner = web.ServerRunner(server, shutdown_timeout=DRAIN_SECONDS / 2)
        await runner.setup()
        self._runners.append(runner)
        return runner


def _why(error: OSError) -> str:
    """The reason alone: event loops add the address to it. Resolvers have numbers of their own."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)
