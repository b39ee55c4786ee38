"""What is no request: the error that Redis gives, or a closed connection; others do not notice."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from threading import Thread

import pytest

from sidecar.resp.requests import MOST_ARGUMENTS, MOST_LINE_BYTES
from tests.resp.servers import Wire, encoded
from tests.running import RunningSidecar

PATIENCE_SECONDS = 10.0

SENT = {
    "inline": b"PING\r\nECHO hi\r\nECHO 'a b' \"c\\x41\\n\"\r\n\r\n  \r\nQUIT\r\n",
    "inline, unbalanced": b'ECHO "a\r\n',
    "inline, more behind quotes": b'ECHO "a"b\r\n',
    "inline, too long": b"ECHO " + b"x" * (MOST_LINE_BYTES + 10),
    "no arguments": b"*0\r\n*-1\r\n*-5\r\nQUIT\r\n",
    "far too many arguments": b"*10000000000\r\n",
    "no number of arguments": b"*x\r\n",
    "a long number of arguments": b"*" + b"1" * (MOST_LINE_BYTES + 10),
    "10 GB": b"*2\r\n$3\r\nGET\r\n$10000000000\r\n",
    "a negative length": b"*2\r\n$3\r\nGET\r\n$-2\r\n",
    "an absent argument": b"*2\r\n$3\r\nGET\r\n$-1\r\n",
    "no length": b"*2\r\n$3\r\nGET\r\n$x\r\n",
    "a long length": b"*1\r\n$" + b"1" * (MOST_LINE_BYTES + 10),
    "a number for an argument": b"*2\r\n$3\r\nGET\r\n:5\r\n",
    "an array for an argument": b"*1\r\n*1\r\n",
    "an array for a name": b"*2\r\n*0\r\n$1\r\na\r\n",
    "an array for the name of a write": b"*3\r\n*0\r\n$1\r\na\r\n$1\r\nb\r\n",
    "a simple string for an argument": b"*2\r\n$4\r\nECHO\r\n+x\r\n",
    "an error for an argument": b"*2\r\n$4\r\nECHO\r\n-x\r\n",
    "a null for an argument": b"*2\r\n$4\r\nECHO\r\n_\r\n",
    "no array for an argument": b"*2\r\n$4\r\nECHO\r\n*-1\r\n",
    "a large number for an argument": b"*2\r\n$4\r\nECHO\r\n(1\r\n",
    "a map of which a key is an array": b"*1\r\n%1\r\n*0\r\n$1\r\na\r\n",
    "a thousand arrays": b"*1\r\n" * 1000,
    "a map": b"%1\r\n+GET\r\n+a\r\nQUIT\r\n",
    "after good ones": b"PING\r\n" + encoded((b"PING",)) + b"*1\r\n+PING\r\n",
    "HTTP": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a form of a web page": b"POST / HTTP/1.1\r\nHost: x\r\n\r\nFLUSHALL\r\n",
    "wrong arity in a transaction": b"MULTI\r\nGET\r\nEXEC\r\nQUIT\r\n",
    "an unknown command with many arguments": encoded((b"NOPE", *[b"x" * 50] * 10)) + b"QUIT\r\n",
    "an empty name": encoded((b"",)) + b"QUIT\r\n",
}


def until_closed(port: int, sent: bytes, *, at_once: bool) -> bytes:
    """What a server answers until it closes the connection."""
    with Wire(port) as wire:
        if at_once:
            wire.send(sent)
        else:
            for at in range(0, len(sent), 7):
                try:
                    wire.send(sent[at : at + 7])
                except OSError:  # it has been closed already
                    break
        return wire.rest()


@pytest.mark.parametrize("name", SENT)
def test_it_is_answered_as_redis_does(ours: RunningSidecar, theirs: int, name: str) -> None:
    answers = [until_closed(port, SENT[name], at_once=True) for port in (ours.resp_port, theirs)]
    assert answers[0] == answers[1]


CUT_OFF = {"HTTP", "a form of a web page"}
"""What was answered before the end depends on how the pieces come together."""
WITH_A_REST = "a map of which a key is an array"
"""Whoever goes on sending what is not read any more may lose the error."""


@pytest.mark.parametrize(
    "name",
    [name for name in SENT if len(SENT[name]) < 3000 and name not in {*CUT_OFF, WITH_A_REST}],
)
def test_so_is_what_comes_in_pieces(ours: RunningSidecar, theirs: int, name: str) -> None:
    answers = [until_closed(port, SENT[name], at_once=False) for port in (ours.resp_port, theirs)]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("count", [MOST_ARGUMENTS + 1, 1_000_000_000])
def test_a_command_has_a_million_arguments_at_the_most(ours: RunningSidecar, count: int) -> None:
    """As in Redis 6; later ones would wait for more."""
    said = until_closed(ours.resp_port, b"*%d\r\n" % count, at_once=True)
    assert said == b"-ERR Protocol error: invalid multibulk length\r\n"


def test_tls_is_answered(ours: RunningSidecar) -> None:
    """Redis says nothing, since it looks for the end of the line in front of the first zero."""
    hello = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\nQUIT\r\n"
    said = until_closed(ours.resp_port, hello, at_once=True)
    assert said.startswith(b"-ERR unknown command")


def test_half_a_request_is_not_waited_for_without_end(ours: RunningSidecar) -> None:
    """Others are served meanwhile. (How long it is waited for is in `docs/security.md`.)"""
    with socket.create_connection(("127.0.0.1", ours.resp_port)) as half:
        half.sendall(b"*2\r\n$3\r\nGET\r\n$5\r\nab")
        with Wire(ours.resp_port) as wire:
            assert wire.ask((b"PING",)) == b"+PONG\r\n"
        half.sendall(b"cde\r\n")
        half.settimeout(PATIENCE_SECONDS)
        assert half.recv(100) == b"$-1\r\n"


def test_a_client_that_does_not_read_holds_nobody_up(ours: RunningSidecar) -> None:
    """A million GETs of 64 KiB each are sent by one that reads nothing."""
    address = "127.0.0.1", ours.resp_port
    with Wire(ours.resp_port) as wire, socket.create_connection(address) as deaf:
        assert wire.ask((b"SET", b"large", b"x" * 65_536)) == b"+OK\r\n"
        deaf.settimeout(0.5)
        pipeline = encoded((b"GET", b"large")) * 10_000
        with suppress(TimeoutError):
            for _ in range(100):
                deaf.sendall(pipeline)
            pytest.fail("it is read on")
        began = time.monotonic()
        for _ in range(100):
            assert wire.ask((b"PING",)) == b"+PONG\r\n"
        assert time.monotonic() - began < PATIENCE_SECONDS
        resident = ours.metrics()['cache_sidecar_process_resident_memory_bytes{process="main"}']
        assert resident < 200 << 20


def test_a_pipeline_of_many_commands_is_answered_whole(ours: RunningSidecar) -> None:
    count = 200_000
    with Wire(ours.resp_port) as wire:
        sending = Thread(target=wire.send, args=(encoded((b"INCR", b"many")) * count,))
        sending.start()
        assert wire.replies(count) == b"".join(b":%d\r\n" % each for each in range(1, count + 1))
        sending.join()


def test_a_value_over_the_limit_ends_the_connection_as_in_redis(ours: RunningSidecar) -> None:
    """As with `proto-max-bulk-len` of Redis, which CONFIG GET shows."""
    sent = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$8388609\r\n"
    said = until_closed(ours.resp_port, sent, at_once=True)
    assert said == b"-ERR Protocol error: invalid bulk length\r\n"


@pytest.mark.parametrize("key", [b"", b"k" * 1025])
def test_a_key_that_can_not_be_is_refused(ours: RunningSidecar, key: bytes) -> None:
    said = b"-ERR A key is 1 to 1,024 bytes; this one has %b.\r\n" % b"%d".__mod__(len(key))
    said = said.replace(b"1025", b"1,025")
    with Wire(ours.resp_port) as wire:
        assert wire.ask((b"GET", key), (b"SET", key, b"x"), (b"DEL", key)) == said * 3


@pytest.mark.parametrize(
    "command",
    [
        (b"DEL", *[b"k%d" % n for n in range(10_001)]),
        (b"KEYS", b"*" * 1025),
        (b"SCAN", b"0", b"MATCH", b"a" * 1025),
        (b"PSUBSCRIBE", *[b"[^a]" * 100] * 11),
        (b"CONFIG", b"GET", *[b"[^a]" * 100] * 11),
    ],
    ids=["keys", "a pattern", "a pattern of SCAN", "patterns", "patterns of CONFIG"],
)
def test_what_would_take_long_is_refused(ours: RunningSidecar, command: tuple[bytes, ...]) -> None:
    """Nobody else would be served meanwhile."""
    with Wire(ours.resp_port) as wire:
        assert b" up to " in wire.ask(command)


def test_a_transaction_that_is_too_long_is_discarded(ours: RunningSidecar) -> None:
    with Wire(ours.resp_port) as wire:
        queued = wire.ask((b"MULTI",), *[(b"INCR", b"long")] * 10_001).splitlines()
        assert queued.count(b"+QUEUED") == 10_000
        assert queued[-1].startswith(b"-OOM")
        assert wire.ask((b"EXEC",)).startswith(b"-EXECABORT")
        assert wire.ask((b"GET", b"long")) == b"$-1\r\n"


@pytest.mark.parametrize("number", [b"1e99999", b"1e-99999", b"1" * 5000, b"0x" + b"f" * 5000])
def test_a_float_that_is_none_is_refused_before_it_is_computed(
    ours: RunningSidecar, number: bytes
) -> None:
    with Wire(ours.resp_port) as wire:
        said = wire.ask((b"INCRBYFLOAT", b"float", number))
        assert said == b"-ERR value is not a valid float\r\n"
