"""A real Redis, and clients that compare what both servers send, byte by byte."""

from __future__ import annotations

import select
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hiredis

from tests.running import PATIENCE_SECONDS, free_port

PAUSE_SECONDS = 0.05
Command = Sequence[bytes]


@contextmanager
def redis(folder: Path, *flags: str) -> Iterator[int]:
    """The port of a Redis that keeps nothing."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(
        [*command, "--dir", str(folder), *flags], stdout=subprocess.DEVNULL
    ) as process:
        try:
            until = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    assert time.monotonic() < until, "Redis does not start"
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()


def encoded(command: Command) -> bytes:
    return b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%b\r\n" % (len(a), a) for a in command)


class Wire:
    """A connection that sends commands, and returns what comes back as it is."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def ask(self, *commands: Command) -> bytes:
        """All replies to these commands, sent at once."""
        self.send(b"".join(map(encoded, commands)))
        return self.replies(len(commands))

    def replies(self, count: int) -> bytes:
        """So many replies or pushes, as they were sent."""
        reader: Any = hiredis.Reader()
        received = b""
        while count:
            data = self._socket.recv(1 << 16)
            assert data, f"closed after {received!r}"
            received += data
            reader.feed(data)
            while count and reader.gets() is not False:
                count -= 1
        return received

    def pause(self) -> None:
        """Wait until something has come, or for a moment."""
        select.select([self._socket], [], [], PAUSE_SECONDS)

    def rest(self) -> bytes:
        """All that comes until the server closes the connection."""
        data = b""
        while more := self._socket.recv(1 << 16):
            data += more
        return data
