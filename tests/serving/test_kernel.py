"""The kernel's buffers of Unix sockets."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from sidecar.model.stats import RequestStats
from sidecar.serving.admission import KERNEL_PART, Admission
from sidecar.serving.budget import Budget
from sidecar.serving.kernel import LEAST_BYTES, bound_kernel_buffer

MIB = 1 << 20


class Silent(asyncio.Protocol):
    """Writes as much as the kernel takes, bounded to so many bytes."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.given: int | None = None
        self.taken_bytes = 0
        self.has_written = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.given = bound_kernel_buffer(transport, self.most_bytes)
        assert isinstance(transport, asyncio.Transport)
        transport.write(bytes(MIB))
        self.taken_bytes = MIB - transport.get_write_buffer_size()
        self.has_written.set()


async def test_the_kernel_takes_little_more_than_it_may(tmp_path: Path) -> None:
    """Its own accounting has a share, so that it is less for a reader."""
    server = Silent(20_000)
    path = str(tmp_path / "socket")
    loop = asyncio.get_running_loop()
    async with await loop.create_unix_server(lambda: server, path):
        _, writer = await asyncio.open_unix_connection(path)
        await server.has_written.wait()
        writer.close()
    assert server.given == 20_000
    assert 0 < server.taken_bytes < 2 * 20_000


async def test_it_has_a_least_size_and_never_grows(tmp_path: Path) -> None:
    """A larger one than the system's own would be no bound."""
    path = str(tmp_path / "socket")
    loop = asyncio.get_running_loop()
    for most_bytes in (0, 1 << 30):
        server = Silent(most_bytes)
        async with await loop.create_unix_server(lambda: server, path):  # noqa: B023
            _, writer = await asyncio.open_unix_connection(path)
            await server.has_written.wait()
            writer.close()
        with socket.socket(socket.AF_UNIX) as plain:
            usual = plain.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert server.given == (usual if most_bytes else LEAST_BYTES)


async def test_a_socket_of_tcp_is_left_as_it_is() -> None:
    """The kernel gives it less where memory is short."""
    server = Silent(0)
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: server, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await server.has_written.wait()
        writer.close()
    assert server.given is None


def test_all_connections_share_a_part_of_the_memory_of_requests() -> None:
    """Of n connections the last one may have an nth, so that the sum grows with the logarithm."""
    admission = Admission(RequestStats(), budget=Budget(KERNEL_PART * MIB))
    total = 0
    for _ in range(1000):
        admission.count_connection(1)
        total += admission.kernel_bytes
    assert admission.kernel_bytes == MIB // 1000
    assert total < 8 * MIB
