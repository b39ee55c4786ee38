"""The memory of answers that clients do not read."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sidecar.http.messages import LARGE_BYTES
from sidecar.serving.budget import Budget
from sidecar.serving.limits import Limits
from tests.http.asking import path
from tests.http.serving import Serve, eventually, exchange, request

GET = request("GET", path("small"))
SIZE = 15_000
PUT = request(
    "PUT", path("small"), f"Content-Length: {SIZE}", "Connection: close", body=bytes(SIZE)
)


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def ask(clients: ExitStack, port: int) -> socket.socket:
    """Eight GETs whose answers are not read, of which the kernel takes two or three."""
    client = clients.enter_context(socket.socket())
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
    client.connect(("127.0.0.1", port))
    client.send(8 * GET)
    return client


async def test_small_answers_take_memory_once_the_kernel_keeps_no_more(
    serve: Serve, clients: ExitStack
) -> None:
    """Until they have been read, or their client has gone."""
    served = await serve(Limits())
    budget = served.admission.budget
    assert b" 201 " in await exchange(served.port, PUT)
    client = ask(clients, served.port)
    await eventually(lambda: budget.used_bytes >= LARGE_BYTES, "they are counted")
    client.close()
    await eventually(lambda: budget.used_bytes == 0, "their memory is given back")


async def test_clients_that_do_not_read_small_answers_are_closed_without_memory(
    serve: Serve, clients: ExitStack
) -> None:
    """Others are served."""
    served = await serve(Limits(), Budget(8 * LARGE_BYTES))
    admission = served.admission
    await exchange(served.port, PUT)
    for _ in range(20):
        ask(clients, served.port)
    await eventually(lambda: admission.stats.shed["buffers"] >= 12, "some are given up")
    await eventually(lambda: admission.connections <= 8, "and closed")
    answer = await exchange(served.port, request("GET", path("small"), "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 200")
