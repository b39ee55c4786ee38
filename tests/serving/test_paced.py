"""A port that is flooded: connections at a limited rate, and nobody is kept out."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from sidecar.serving.pace import Pace
from sidecar.serving.paced import MOST_WAITING, PacedListener
from tests.http.serving import eventually

FLOODER, PROBE = "127.0.0.2", "127.0.0.1"
URGENT = b"urgent"


class Accepted(asyncio.Protocol):
    """Records the source of each connection in order."""

    def __init__(self, sources: list[str]) -> None:
        self._sources = sources

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._sources.append(transport.get_extra_info("peername")[0])

    def data_received(self, data: bytes) -> None:
        assert data
        self._transport.close()


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[str]]]:
    """The port, and the sources of the connections that were made."""
    sources: list[str] = []
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    listener = PacedListener([bound], lambda: Accepted(sources), URGENT.__eq__)
    listener.start()
    try:
        yield bound.getsockname()[1], sources
    finally:
        listener.close()


def client(stack: ExitStack, port: int, source: str, sent: bytes = b"") -> socket.socket:
    made = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5, (source, 0)))
    if sent:
        made.send(sent)
    return made


def test_a_pace_lets_some_come_at_once_and_then_one_in_a_while() -> None:
    """Three at once, and then one in a tenth of a second; a pause saves up for three again."""
    pace = Pace(10.0, 3)
    assert [round(pace.take(0.0), 3) for _ in range(4)] == [0.0, 0.0, 0.0, 0.1]
    assert round(pace.take(0.1), 3) == 0.1
    assert [round(pace.take(9.0), 3) for _ in range(4)] == [0.0, 0.0, 0.0, 0.1]


async def test_a_silent_socket_becomes_no_connection_and_keeps_nobody_out() -> None:
    """Of more silent sockets than may wait the oldest are closed; one that asks is served."""
    with ExitStack() as stack:
        async with listening() as (port, sources):
            silent = [client(stack, port, PROBE) for _ in range(MOST_WAITING + 50)]
            probe = client(stack, port, PROBE, b"x")
            await eventually(lambda: sources, "it is served")
            assert len(sources) == 1
            for each in (silent[0], probe):
                each.setblocking(False)
                assert await asyncio.get_running_loop().sock_recv(each, 1) == b""


async def test_the_source_with_the_fewest_goes_first() -> None:
    """Two hundred of one source ask before one of another does, which is served before most."""
    with ExitStack() as stack:
        async with listening() as (port, sources):
            for _ in range(200):
                client(stack, port, FLOODER, b"x")
            client(stack, port, PROBE, b"x")
            await eventually(lambda: PROBE in sources, "the probe is served")
            assert sources.index(PROBE) < 150


async def test_an_urgent_request_goes_first_whoever_floods_the_port() -> None:
    """From the address of those who do: all of them have sent something before it."""
    async with listening() as (port, sources):
        with ExitStack() as stack:
            flood = [client(stack, port, PROBE, b"x") for _ in range(MOST_WAITING)]
            before = len(sources)
            urgent = client(stack, port, PROBE, URGENT)
            loop = asyncio.get_running_loop()
            urgent.setblocking(False)
            assert await asyncio.wait_for(loop.sock_recv(urgent, 1), 5) == b""  # it was answered
            assert before <= len(sources) < len(flood) // 2


async def test_it_serves_on_after_the_clients_have_gone() -> None:
    """Sockets whose clients reset them while they wait are no trouble."""
    with ExitStack() as stack:
        async with listening() as (port, sources):
            for sent in (b"", b"x") * 20:
                with ExitStack() as brief:
                    client(brief, port, FLOODER, sent)
            client(stack, port, PROBE, b"x")
            await eventually(lambda: PROBE in sources, "it is served")


async def test_without_descriptors_those_that_wait_make_room() -> None:
    """A flood that takes all of them would keep the probe out otherwise."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        async with listening() as (port, sources):
            clients = [stack.enter_context(socket.socket()) for _ in range(100)]
            probe = stack.enter_context(socket.socket())
            free = os.dup(probe.fileno())
            os.close(free)
            before = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free + 20, most))
            stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, before)
            for each in clients:
                each.bind((FLOODER, 0))
                each.connect(("127.0.0.1", port))
            probe.connect(("127.0.0.1", port))
            probe.send(b"x")
            await eventually(lambda: PROBE in sources, "the probe is served")
