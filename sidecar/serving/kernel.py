"""The kernel's buffer of a Unix socket: what a client has not read counts as memory of the server's
container, up to 208 KiB for each connection. It is no file page, so that the kernel would kill the
server for it. A socket of TCP is no such case: its buffers are given less where memory is short.
"""

from __future__ import annotations

import asyncio
import socket

LEAST_BYTES = 4096
"""The kernel gives a little more than this at the least."""


def bound_kernel_buffer(transport: asyncio.BaseTransport, most_bytes: int) -> int | None:
    """Have the kernel keep about `most_bytes` that the client has not read, or LEAST_BYTES if that
    is more; returns what it keeps. None for a socket that is no Unix socket, which is left as it
    is.
    """
    link = transport.get_extra_info("socket")
    if link is None or link.family != socket.AF_UNIX:
        return None
    usual = int(link.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
    size = max(most_bytes, LEAST_BYTES)
    if size >= usual:
        return usual
    link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size // 2)  # the kernel doubles it
    return size
