"""Small requests that arrive in one turn of the loop, of any clients, answered together.

Under load nearly all of them are GETs of what is in memory. To find these together, and then send
all replies, takes half of the time of one after the other, and wakes a client that waits for
several replies once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeVar

import structlog

from sidecar.resp.client import Client
from sidecar.resp.plain import GET, OK_STATUS, SET
from sidecar.resp.replies import OK
from sidecar.resp.requests import Command
from sidecar.resp.service import Service

SMALL_BYTES = 1 << 10
"""More is worked off as it arrives, so that a client that sends much is paused in time."""
MOST_BYTES = 32 << 10
"""More does not wait for the others of the turn."""
AT_ONCE, VALUES_BYTES = 64, 8 << 10
"""Keys that are looked up together, and the bytes of their values."""

T = TypeVar("T")

log = structlog.get_logger("sidecar.resp")


class Arrivals:
    """What has arrived and was not answered yet, at most `MOST_BYTES`."""

    def __init__(self, service: Service) -> None:
        self._store = service.store
        self._admission = service.admission
        self._waiting = service.waiting
        self._parse = service.requests.parse_many
        self._call_soon = asyncio.get_running_loop().call_soon
        self._clients: list[Client] = []
        self._pieces: list[bytes] = []
        self._bytes = 0

    def add(self, client: Client, data: bytes) -> None:
        """Take what a client has sent."""
        size = len(data)
        if size > SMALL_BYTES or client.is_in_pieces:
            self.answer()
            client.receive(data)
            return
        if client.has_arrived or self._bytes + size > MOST_BYTES:
            self.answer()
        if not self._clients:
            self._call_soon(self.answer)
        client.has_arrived = True
        self._clients.append(client)
        self._pieces.append(data)
        self._bytes += size

    def answer(self) -> None:
        """Answer all of it. The requests of one client stay in order."""
        clients, pieces = self._clients, self._pieces
        if not clients:
            return
        self._clients, self._pieces, self._bytes = [], [], 0
        commands = self._parse(pieces)
        if commands is None:  # not all of it is whole
            for client, data in zip(clients, pieces, strict=True):
                client.has_arrived = False
                _try(client, client.receive, data)
            return
        began_at = perf_counter()
        readers: list[Client] = []
        keys: list[bytes] = []
        writers: list[Client] = []
        others: list[tuple[Client, list[Command], bytes]] = []
        for client, some, data in zip(clients, commands, pieces, strict=True):
            client.has_received = True
            client.has_arrived = False
            if len(some) == 1 and client.is_free:
                (command,) = some
                if command[0] in GET and len(command) == 2 and type(command[1]) is bytes:
                    readers.append(client)
                    keys.append(client.prefix + command[1])
                    continue
                if command[0] in SET and _try(client, client.put_at_once, command):
                    writers.append(client)
                    continue
            others.append((client, some, data))
        self._give(readers, keys, began_at)
        if writers:
            self._admission.record_many("set", OK_STATUS, len(writers), began_at)
            for client in writers:
                client.link.send_now(OK)
        for client, some, data in others:
            if self._waiting.has_time():
                _try(client, client.take, some, len(data))
            else:
                _try(client, client.put_off, data)

    def _give(self, clients: list[Client], keys: list[bytes], began_at: float) -> None:
        """Send the values of keys, of which each client wants one."""
        done = hits = 0
        while done < len(keys):
            try:
                values = self._store.ready_values(keys[done : done + AT_ONCE], VALUES_BYTES)
            except Exception:  # noqa: BLE001  (a plugin's policy; the client meets it again)
                values = []
            for value in values:
                clients[done].link.send_now(b"$%d\r\n%b\r\n" % (len(value), value))
                done += 1
            hits += len(values)
            if not values:
                client, key = clients[done], keys[done]
                _try(client, client.take, [[b"get", key.removeprefix(client.prefix)]], len(key))
                done += 1
        if hits:
            self._admission.record_many("get", OK_STATUS, hits, began_at)


def _try(client: Client, work: Callable[..., T], *arguments: Any) -> T | None:
    """Work for one client: what goes wrong ends its connection, and no other."""
    try:
        return work(*arguments)
    except Exception:
        log.exception("A connection failed", client=client.id)
        client.link.abort()
        return None
