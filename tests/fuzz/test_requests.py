"""Requests of the Redis protocol: valid ones, damaged in every way, in whatever pieces they come.

All goes through a socket of a real listener over memory. There are two parsers, one for whole
commands and one for pieces of them, and no client may notice which of them has read what it sent.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.stats import RequestStats
from sidecar.resp.commands import ALL
from sidecar.resp.listener import Listener
from sidecar.resp.requests import MOST_ARGUMENTS, MOST_LINE_BYTES, MOST_WHOLE_BYTES
from sidecar.resp.service import Service
from sidecar.serving.admission import Admission
from sidecar.serving.budget import Budget
from tests.fuzz.test_readers import damaged, fuzzed
from tests.resp.peers import in_memory
from tests.resp.servers import encoded

NOW = 1_700_000_000.0
MIB = 1 << 20
CUT_OFF = (b"post", b"host:")
"""Commands of a web page, at which nothing more is sent: how much was, depends on the pieces."""
TURNS = 6
"""Of the loop, within which what has been sent is answered: nothing waits for L3."""
PATIENCE_TURNS = 10_000
REPEATED = re.compile(rb"(.)\1{99,}", re.DOTALL)


class Sent(bytes):
    """Bytes that are printed without what repeats itself."""

    def __repr__(self) -> str:
        return repr(REPEATED.sub(lambda run: b"%b...%d" % (run[1], len(run[0])), bytes(self)))


COMMANDS = [
    (b"GET", b"a"),
    (b"get", b"b"),
    (b"SET", b"a", b"value"),
    (b"SET", b"b", b"1", b"EX", b"100"),
    (b"SET", b"c", b"\r\n$3\r\nGET\r\n*1\r\n\0\xff"),
    (b"SET", b"large", b"x" * 5_000),
    (b"SET", b"larger", b"y" * (MOST_WHOLE_BYTES + 10)),
    (b"GET", b"larger"),
    (b"APPEND", b"a", b""),
    (b"INCR", b"b"),
    (b"MGET", *[b"%d" % number for number in range(20)]),
    (b"MSET", b"a", b"1", b"b", b"2"),
    (b"MULTI",),
    (b"EXEC",),
    (b"DISCARD",),
    (b"WATCH", b"a"),
    (b"DEL", b"a", b"b"),
    (b"PTTL", b"b"),
    (b"PING",),
    (b"ECHO", b""),
    (b"SELECT", b"3"),
    (b"CLIENT", b"REPLY", b"SKIP"),
    (b"CLIENT", b"REPLY", b"OFF"),
    (b"CLIENT", b"REPLY", b"ON"),
    (b"HELLO", b"3"),
    (b"RESET",),
    (b"SUBSCRIBE", b"channel"),
    (b"UNSUBSCRIBE",),
    (b"NOPE", b"x"),
    (b"GET",),
    (b"",),
]
OTHERS = [
    b"PING\r\n",
    b"SET a 'b c'\n",
    b'ECHO "\\x41\\n" x\r\n',
    b'ECHO "a\r\n',
    b"\r\n",
    b"*0\r\n",
    b"*-1\r\n",
    b"QUIT\r\n",
    b"*%d\r\n" % MOST_ARGUMENTS,
    b"*99999999999\r\n",
    b"*2\r\n$3\r\nGET\r\n$8388608\r\n",
    b"*2\r\n$3\r\nGET\r\n$8388609\r\n",
    b"*2\r\n$3\r\nGET\r\n$-1\r\n",
    b"*1\r\n:5\r\n",
    b"*1\r\n*1\r\n$4\r\nPING\r\n",
    b"%1\r\n+a\r\n+b\r\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n#t\r\n",
    b"*1\r\n,1.5\r\n",
    b"*1\r\n+PING\r\n",
    b"*1\r\n=8\r\ntxt:PING\r\n",
    b"*1\r\n(123\r\n",
    b"*1\r\n-ERR\r\n",
    b"*1\r\n*-1\r\n",
    b"*1\r\n~1\r\n$4\r\nPING\r\n",
    b"*1\r\n%1\r\n*0\r\n$1\r\na\r\n",
    b"*1\r\n_\r\n",
    b"*1\r\n$?\r\n;4\r\nPING\r\n;0\r\n",
    b"|1\r\n+a\r\n+b\r\n*1\r\n$4\r\nPING\r\n",
    b"$4\r\nPING\r\n",
    b"+PING\r\n",
    b"-ERR\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"x" * (MOST_LINE_BYTES + 1),
    b"*1\r\n$" + b"1" * (MOST_LINE_BYTES + 1),
]
VALID: list[bytes] = [Sent(encoded(command)) for command in COMMANDS]
SENT = [*VALID, *OTHERS]

pipelines = st.lists(st.sampled_from(VALID), min_size=1, max_size=12)
mixed = st.lists(damaged(SENT) | st.sampled_from(SENT), max_size=8).map(
    lambda parts: Sent(b"".join(parts))
)


class Seen(NamedTuple):
    """What a client has seen: what it was sent, and whether it was closed."""

    replies: bytes
    is_closed: bool


class Played:
    """A listener for each example, in one loop. Whatever goes wrong in that is kept."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._wrong: list[dict[str, Any]] = []
        self._loop.set_exception_handler(lambda _, context: self._wrong.append(context))

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def __call__(self, pieces: list[bytes], budget: Budget | None = None) -> Seen:
        seen = self._loop.run_until_complete(self._play(pieces, budget or Budget()))
        assert not self._wrong
        assert b"internal error" not in seen.replies
        return seen

    async def _play(self, pieces: list[bytes], budget: Budget) -> Seen:
        store, at_first = in_memory(budget), budget.used_bytes
        admission = Admission(RequestStats(), None, budget)
        service = Service(store, lambda: NOW, admission, ALL)
        listener = Listener(service)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        await self._loop.connect_accepted_socket(listener, theirs)
        client = _Client(ours, budget)
        for piece in pieces:
            await client.send(piece)
        await client.settle()
        seen = Seen(client.received, client.is_closed)
        ours.close()
        for _ in range(PATIENCE_TURNS):
            await asyncio.sleep(0)
            if not admission.connections:
                break
        await listener.close(0.0)
        assert not admission.connections
        assert not service.clients
        assert not admission.stats.in_flight
        assert budget.used_bytes == at_first, "memory was not given back"
        return seen


class _Client:
    """The other end, which reads all that it is sent."""

    def __init__(self, ours: socket.socket, budget: Budget) -> None:
        self._socket = ours
        self._budget = budget
        self.received = b""
        self.is_closed = False

    async def send(self, data: bytes) -> None:
        while data and not self.is_closed:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                pass
            except (BrokenPipeError, ConnectionResetError):
                self.is_closed = True
            await self._turn()
        await self.settle()

    async def settle(self) -> None:
        """Until nothing more comes."""
        quiet = 0
        while quiet < TURNS and not self.is_closed:
            quiet = 0 if await self._turn() else quiet + 1

    async def _turn(self) -> bool:
        """Whether something has come."""
        await asyncio.sleep(0)
        assert self._budget.used_bytes <= self._budget.capacity_bytes
        with suppress(BlockingIOError):
            try:
                data = self._socket.recv(MIB)
            except ConnectionResetError:
                data = b""
            self.received += data
            self.is_closed = not data
            return bool(data)
        return False


@pytest.fixture(scope="module")
def played() -> Iterator[Played]:
    it = Played()
    yield it
    it.close()


def pieces_of(data: bytes, cuts: list[float]) -> list[bytes]:
    places = sorted({0, len(data), *(int(len(data) * cut) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


cuts = st.lists(st.floats(0, 1), max_size=12)


@fuzzed
@given(data=mixed, cuts=cuts)
def test_any_bytes_in_any_pieces_are_answered_alike(
    played: Played, data: bytes, cuts: list[float]
) -> None:
    """The same replies and the same end, and all memory is given back."""
    whole, cut = played([data]), played(pieces_of(data, cuts))
    if any(word in data.lower() for word in CUT_OFF):
        assert whole.is_closed == cut.is_closed
        assert cut.replies.startswith(whole.replies) or whole.replies.startswith(cut.replies)
    else:
        assert whole == cut


@fuzzed
@given(data=mixed)
def test_any_bytes_are_answered_alike_byte_by_byte(played: Played, data: bytes) -> None:
    """Of what is long, the first part and the last one."""
    data = data[:200] + data[-200:] if len(data) > 400 else data
    bytes_of = [data[at : at + 1] for at in range(len(data))]
    if not any(word in data.lower() for word in CUT_OFF):
        assert played([data]) == played(bytes_of)


@fuzzed
@given(commands=pipelines, cuts=cuts)
def test_pipelines_in_any_pieces_are_answered_as_one_by_one(
    played: Played, commands: list[bytes], cuts: list[float]
) -> None:
    assert played(pieces_of(b"".join(commands), cuts)) == played(commands)


@fuzzed
@given(data=mixed, cuts=cuts, capacity=st.integers(1, 300_000))
def test_little_memory_is_never_exceeded(
    played: Played, data: bytes, cuts: list[float], capacity: int
) -> None:
    """What is refused for want of memory is so without an exception, and holds nothing after."""
    budget = Budget()
    budget.resize(capacity, capacity)
    played(pieces_of(data, cuts), budget)
