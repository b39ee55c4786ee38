"""Thousands of connections at the same time, each of them slow."""

from __future__ import annotations

import asyncio
import socket

import pytest

from sidecar.serving.limits import Limits
from tests.http.serving import Serve, request
from tests.running import PATIENCE_SECONDS, RunningSidecar, anonymous_bytes, wait_until

CONNECTIONS = 'cache_sidecar_connections{protocol="http"}'
PATH = "/v1/cache/test/key"
MIB = 1 << 20


def test_two_thousand_clients_of_one_byte_at_a_time_are_served(own_sidecar: RunningSidecar) -> None:
    """Each sends its next byte when all others have sent theirs; another client is served between.

    Then half of them leave in the middle of a request. No connection and no request remains, and no
    memory beyond what the first two thousand have left in the heap.
    """
    own_sidecar.put("key", b"v")
    two_thousand_clients(own_sidecar)
    left = anonymous_bytes(own_sidecar.pid)
    two_thousand_clients(own_sidecar)
    assert anonymous_bytes(own_sidecar.pid) - left < 2 * MIB


def two_thousand_clients(sidecar: RunningSidecar) -> None:
    sent, slowly = request("GET", PATH), 10
    clients: list[socket.socket] = []
    while len(clients) < 2000:  # the queue of connections to be accepted is shorter
        clients += [socket.create_connection(("127.0.0.1", sidecar.port)) for _ in range(50)]
        assert sidecar.get("key").body == b"v"
    for at in range(slowly):
        for client in clients:
            client.send(sent[at : at + 1])
        assert sidecar.get("key").body == b"v"
    for client in clients:
        client.settimeout(PATIENCE_SECONDS)
        client.send(sent[slowly:])
        answer = b""
        while not answer.endswith(b"\r\n\r\nv"):
            answer += client.recv(1000)
    assert sidecar.metrics()[CONNECTIONS] == 2000
    for client in clients[::2]:
        client.send(sent[:slowly])
    for client in clients:
        client.close()
    wait_until(lambda: sidecar.metrics()[CONNECTIONS] == 0, "all are closed")


async def test_a_rest_lasts_whatever_a_request_ends(serve: Serve) -> None:
    """A body that has come as a whole has its reader go on reading, but not the connection."""
    served = await serve(Limits(pace_seconds=1000.0))
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(request("PUT", "/v1/cache/test/x", "Content-Length: 2", body=b"xx"))
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert answer.startswith(b"HTTP/1.1 20")
    writer.write(request("GET", "/v1/cache/test/x"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.5)
    writer.close()
