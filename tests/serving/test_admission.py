"""Admission, used by a listener with its own protocol: it does not need HTTP."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from sidecar.model.stats import RequestStats
from sidecar.serving.admission import Admission
from sidecar.serving.budget import Budget
from sidecar.serving.limiter import CEILING
from sidecar.serving.limits import Limits
from tests.serving.lines import Lines

PATIENCE_SECONDS = 20.0

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Served:
    """A running listener and its admission."""

    def __init__(self, admission: Admission, lines: Lines, port: int) -> None:
        self.admission = admission
        self.stats = admission.stats
        self.lines = lines
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers.append(writer)
        return reader, writer

    async def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def served(
    limits: Limits | None = None, budget: Budget | None = None
) -> AsyncIterator[Served]:
    admission = Admission(RequestStats(), limits, budget)
    lines = Lines(admission)
    listening = Served(admission, lines, await lines.start())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield listening
    finally:
        await listening.hang_up()
        await lines.stop()


async def ask(client: Client, line: bytes) -> bytes:
    """Send a line; returns the answer, empty if the connection is closed."""
    reader, writer = client
    writer.write(line + b"\n")
    return (await reader.readline()).rstrip(b"\n")


async def until(holds: Callable[[], object]) -> None:
    while not holds():
        await asyncio.sleep(0.005)


async def test_one_connection_too_many_is_refused_and_counted() -> None:
    """The others continue; once one of them has ended, the next is admitted."""
    async with served(Limits(connections=2)) as it:
        first, second, third = await it.connect(), await it.connect(), await it.connect()
        assert await ask(first, b"one") == b"one"
        assert await ask(second, b"two") == b"two"
        assert await third[0].read() == b"-too many connections\n"
        assert (it.admission.connections, it.stats.shed["connections"]) == (2, 1)
        first[1].close()
        await until(lambda: it.admission.connections == 1)
        assert await ask(await it.connect(), b"four") == b"four"


async def test_beyond_the_limit_what_would_wait_is_refused() -> None:
    """Requests that need not wait are answered. Without the limit, none is refused."""
    async with served() as it:
        it.admission.tune(in_flight="adaptive", keepalive_seconds=75.0)
        assert it.admission.limiter is not None
        assert it.admission.limiter.limit == CEILING
        it.admission.limiter.limit = 2  # as slow answers would make it in time
        waiting = [asyncio.create_task(ask(await it.connect(), b"wait")) for _ in range(2)]
        await until(lambda: it.stats.in_flight == 2)
        client = await it.connect()
        assert await ask(client, b"wait") == b"-too many requests"
        assert await ask(client, b"at once") == b"at once"
        assert it.stats.shed["in_flight"] == 1
        it.admission.tune(in_flight="unlimited", keepalive_seconds=75.0)
        waiting.append(asyncio.create_task(ask(client, b"wait")))
        await until(lambda: it.stats.in_flight == 3)
        it.lines.released.set()
        assert await asyncio.gather(*waiting) == [b"wait"] * 3
    assert it.stats.most_in_flight == 3


async def test_bytes_under_way_are_bounded_over_all_connections() -> None:
    """What has no room in the budget is refused; what is given back can be taken again."""
    async with served(budget=Budget(20)) as it:
        alone, other = await it.connect(), await it.connect()
        alone[1].write(b"a" * 20)
        await until(lambda: it.admission.budget.used_bytes == 20)
        assert it.stats.shed["buffers"] == 0
        other[1].write(b"b")
        assert await other[0].read() == b"-too many bytes\n"
        assert it.stats.shed["buffers"] == 1
        assert await ask(alone, b"") == b"a" * 20
        await until(lambda: it.admission.budget.used_bytes == 0)
        assert await ask(await it.connect(), b"room") == b"room"


async def test_a_shorter_keepalive_ends_idle_connections() -> None:
    """This includes open connections, but not one that waits for its answer."""
    async with served() as it:
        idle, busy = await it.connect(), await it.connect()
        assert await ask(idle, b"one") == b"one"
        busy[1].write(b"wait\n")
        await until(lambda: it.stats.in_flight == 1)
        it.admission.tune(in_flight="unlimited", keepalive_seconds=0.0)  # 1 s is the least
        assert await idle[0].read() == b""
        assert it.admission.connections == 1
        it.lines.released.set()
        assert await busy[0].readline() == b"wait\n"


async def test_a_keepalive_that_was_set_before_the_listener_holds() -> None:
    """An admission exists before its listener."""
    heard: list[float] = []
    admission = Admission(RequestStats())
    admission.tune(in_flight="unlimited", keepalive_seconds=15.0)
    admission.follow_keepalive(heard.append)
    admission.tune(in_flight="unlimited", keepalive_seconds=15.0)
    admission.tune(in_flight="unlimited", keepalive_seconds=30.0)
    assert heard == [15.0, 30.0]


async def test_what_is_answered_is_counted() -> None:
    """By operation and status; for a client that disconnects, only in-flight returns to zero."""
    async with served() as it:
        client = await it.connect()
        for line in (b"one", b"two", b"absent"):
            await ask(client, line)
        assert it.stats.outcomes() == {("echo", 200): 2, ("echo", 404): 1}
        client[1].write(b"wait\n")
        await until(lambda: it.stats.in_flight == 1)
        client[1].close()
        await until(lambda: it.stats.in_flight == 0)
        assert it.stats.outcomes() == {("echo", 200): 2, ("echo", 404): 1}


def test_a_listener_loads_nothing_of_http() -> None:
    """A listener's dependencies, and the definition of an entry, need no HTTP library."""
    look = (
        "import pkgutil, sys, importlib, sidecar.api, sidecar.serving\n"
        "for room in (sidecar.api, sidecar.serving):\n"
        "    for it in pkgutil.iter_modules(room.__path__, room.__name__ + '.'):\n"
        "        importlib.import_module(it.name)\n"
        "print([name for name in sys.modules if name.startswith(('aiohttp', 'sidecar.http'))])"
    )
    ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
