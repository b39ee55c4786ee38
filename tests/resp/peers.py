"""The sidecar's listener and a real redis-server, asked by the same script over sockets."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import uvloop

from sidecar.catalogue import CATALOGUE
from sidecar.config.values import CacheConfig
from sidecar.model.clock import Clock
from sidecar.model.stats import RequestStats
from sidecar.resp.commands import ALL
from sidecar.resp.listener import Listener
from sidecar.resp.service import Service
from sidecar.serving.admission import Admission
from sidecar.serving.budget import Budget
from sidecar.store.store import Client, Store
from tests.running import free_port, wait_until

PATIENCE_SECONDS = 10.0
MARK = b"the end of a step"
MARKED = b"$%d\r\n%b\r\n" % (len(MARK), MARK)
PONG = b"*2\r\n$4\r\npong\r\n" + MARKED
T = TypeVar("T")


class Talk:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self._buffer = b""

    def send(self, *arguments: bytes | str) -> None:
        parts = [each if isinstance(each, bytes) else each.encode() for each in arguments]
        self._socket.sendall(
            b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(p), p) for p in parts)
        )

    def ask(self, line: str) -> bytes:
        """All that is sent until the reply, as bytes; ` | ` divides the commands of a pipeline."""
        for command in line.split(" | "):
            self.send(*command.split())
        return self.rest()

    def rest(self) -> bytes:
        """All that has been sent up to now: a PING comes back behind it, subscribed or not."""
        self.send("ping", MARK)
        while not self._buffer.endswith(MARKED):
            self._receive()
        taken, self._buffer = self._buffer, b""
        return taken.removesuffix(PONG) if taken.endswith(PONG) else taken.removesuffix(MARKED)

    def wait_for(self, message: bytes) -> bytes:
        """All up to a message that is sent some time."""
        while message not in self._buffer:
            self._receive()
        end = self._buffer.index(message) + len(message)
        taken, self._buffer = self._buffer[:end], self._buffer[end:]
        return taken

    def wait_for_end(self) -> None:
        """Fails if it is not closed."""
        with suppress(ConnectionResetError):
            while self._socket.recv(1 << 16):
                pass

    def _receive(self) -> None:
        data = self._socket.recv(1 << 16)
        assert data, f"closed after {self._buffer!r}"
        self._buffer += data

    def close(self) -> None:
        self._socket.close()


class Serving:
    """The sidecar's listener in a thread with a loop of its own."""

    def __init__(self, make_store: Callable[[Budget], Store], clock: Clock, budget: Budget) -> None:
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._talks: list[Talk] = []
        self.port = free_port()
        self.budget = budget
        self.store = self.do(lambda: make_store(budget))
        admission = Admission(RequestStats(), None, budget)
        self.service = Service(self.store, clock, admission, ALL)
        self.wait(self._listen())

    async def _listen(self) -> None:
        listener = Listener(self.service)
        self._server = await self.loop.create_server(listener, "127.0.0.1", self.port)

    def wait(self, work: object) -> object:
        """Run a coroutine in its loop."""
        assert asyncio.iscoroutine(work)
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_SECONDS)

    def do(self, call: Callable[[], T]) -> T:
        """Call something in a turn of its loop."""

        async def done() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(done(), self.loop).result(PATIENCE_SECONDS)

    def connect(self) -> Talk:
        self._talks.append(Talk(self.port))
        return self._talks[-1]

    def close(self) -> None:
        for talk in self._talks:
            talk.close()
        self.do(self._server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE_SECONDS)


def in_memory(budget: Budget) -> Store:
    """A store without L3."""
    config = replace(CacheConfig(), durability="memory")
    policies = CATALOGUE.policies
    disk = Client(time.time)
    store = Store(time.time, config, policies.make_for, policies.scores, disk, spare=budget)
    store.disk.give_up()
    return store


@contextmanager
def serving(budget: Budget | None = None) -> Iterator[Serving]:
    """A listener over memory."""
    sidecar = Serving(in_memory, time.time, budget or Budget())
    try:
        yield sidecar
    finally:
        sidecar.close()


@contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """A real server, without persistence; yields its port. Skips where there is none."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    port = free_port()
    command = [program, "--port", str(port), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(port), "redis-server answers")
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _answers(port: int) -> bool:
    with suppress(OSError):
        talk = Talk(port)
        answer = talk.ask("ping")
        talk.close()
        return answer == b"+PONG\r\n"
    return False


def play(port: int, script: str) -> list[tuple[str, bytes]]:
    """What each line of a script is answered, on the connection named before its colon; and then
    what the others have been sent meanwhile. `{a}` is the id of the connection `a`. No line ends
    within a transaction, where the PING that ends it would be queued.
    """
    talks = {name: Talk(port) for name in sorted({each[0] for each in _lines(script)})}
    ids = {name: talk.ask("client id").decode()[1:-2] for name, talk in talks.items()}
    answers: list[tuple[str, bytes]] = []
    for name, line in _lines(script):
        answer = talks[name].ask(line.format(**ids))
        if "redir" in line or "info" in line:
            for other, number in ids.items():
                answer = answer.replace(f":{number}\r\n".encode(), f":{other}\r\n".encode())
        answers.append((f"{name}: {line}", answer))
        for other, talk in talks.items():
            if other != name and (sent := talk.rest()):
                answers.append((f"{other} is sent", sent))
    for talk in talks.values():
        talk.close()
    return answers


def _lines(script: str) -> list[tuple[str, str]]:
    lines = [line.strip().partition(": ") for line in script.strip().splitlines() if line.strip()]
    return [(name, line) for name, _, line in lines]
