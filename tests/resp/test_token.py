"""With a token, as a Redis with `requirepass` answers, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.resp.client import Client
from sidecar.resp.commands import ALL
from sidecar.resp.requests import STRANGERS_ARGUMENTS, STRANGERS_BYTES
from sidecar.serving.token import Token
from tests.conftest import StartSidecar
from tests.resp.servers import Wire, encoded, redis
from tests.resp.serving import serving
from tests.running import RunningSidecar, wait_until

TOKEN = b"s3cr3t-of-the-shop"
OPEN = {"auth", "hello", "quit", "reset"}


Part = bytes | tuple[bytes, ...]


@pytest.fixture(scope="module")
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secret") / "token"
    path.write_bytes(TOKEN + b"\n")
    return path


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, token_file: Path) -> Iterator[RunningSidecar]:
    folder = tmp_path_factory.mktemp("data")
    sidecar = RunningSidecar(folder, ("--token-file", str(token_file))).start()
    try:
        yield sidecar
    finally:
        sidecar.stop()


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("redis")
    with redis(folder, "--requirepass", TOKEN.decode()) as port:
        yield port


def sent(*parts: Part) -> bytes:
    return b"".join(encoded(part) if isinstance(part, tuple) else part for part in parts)


def as_worded(answer: bytes) -> bytes:
    """As Redis 7.2 words it: 7.0 leaves a word out."""
    return answer.replace(b"the HELLO AUTH", b"the HELLO <proto> AUTH")


def until_closed(port: int, data: bytes) -> bytes:
    with Wire(port) as wire:
        wire.send(data)
        return wire.rest()


AUTH = (b"AUTH", TOKEN)
QUIT = (b"QUIT",)
GET, SET, PING = (b"GET", b"k"), (b"SET", b"k", b"v"), (b"PING",)
NO_AUTH = (
    b"-NOAUTH Authentication required.\r\n",
    b"-EXECABORT Transaction discarded because of: NOAUTH Authentication required.\r\n",
)
ABORTED = b"-EXECABORT Transaction discarded because of: wrong number of arguments"
LARGE = b"x" * (STRANGERS_BYTES + 1)
MANY = (b"DEL", *[b"k"] * STRANGERS_ARGUMENTS)
MANY_BEGUN = b"*%d\r\n" % (STRANGERS_ARGUMENTS + 1)
"""Without the rest: Redis would reset the connection, and its last answers might be lost."""
DIALOGS: dict[str, tuple[Part, ...]] = {
    "nothing before": (GET, SET, PING, (b"ECHO", b"x"), (b"MULTI",), (b"EXEC",)),
    "the token": (GET, AUTH, SET, GET),
    "the token of the default user": ((b"AUTH", b"default", TOKEN), SET, GET),
    "a wrong token": ((b"AUTH", b"wrong"), GET),
    "a wrong token of the same length": ((b"AUTH", TOKEN[:-1] + b"x"), GET),
    "the begin of the token": ((b"AUTH", TOKEN[:-1]), (b"AUTH", TOKEN + b"x"), (b"AUTH", b""), GET),
    "another user": ((b"AUTH", b"admin", TOKEN), GET),
    "a wrong token of the default user": ((b"AUTH", b"default", b"x"), GET),
    "wrong afterwards": (AUTH, (b"AUTH", b"wrong"), SET, GET),
    "too few, too many": ((b"AUTH",), (b"AUTH", b"default", TOKEN, b"x"), GET),
    "HELLO without": ((b"HELLO",), (b"HELLO", b"3"), (b"HELLO", b"2"), GET),
    "HELLO with a wrong one": ((b"HELLO", b"3", b"AUTH", b"default", b"x"), (b"PING",)),
    "HELLO of another user": ((b"HELLO", b"3", b"AUTH", b"admin", TOKEN), GET),
    "HELLO that is wrong": ((b"HELLO", b"4"), (b"HELLO", b"x"), (b"HELLO", b"3", b"NOPE")),
    "RESET": (AUTH, SET, (b"RESET",), GET, AUTH, GET),
    "RESET before": ((b"RESET",), GET),
    "RESET in a transaction": (AUTH, (b"MULTI",), SET, (b"RESET",), GET),
    "AUTH in a transaction": (AUTH, (b"MULTI",), (b"AUTH", b"wrong"), AUTH, GET, (b"EXEC",), GET),
    "unknown": ((b"NOPE", b"a"), (b"CLIENT", b"NOPE"), (b"GET",), (b"GET", b"a", b"b")),
    "inline": (b"GET k\r\nAUTH wrong\r\n", b"AUTH " + TOKEN + b"\r\nSET k v\r\nGET k\r\n"),
    "many, inline": (b"DEL" + b" k" * 20 + b"\r\n",),
    "as many as may be": ((b"DEL", *[b"k"] * (STRANGERS_ARGUMENTS - 1)),),
    "too many": (MANY_BEGUN,),
    "too many, afterwards": (AUTH, MANY),
    "too many, after a wrong one": ((b"AUTH", b"x"), MANY_BEGUN),
    "too many, after RESET": (AUTH, (b"RESET",), PING, MANY_BEGUN),
    "far too many": (b"*1000000\r\n",),
    "as large as may be": ((b"GET", LARGE[1:]),),
    "too large": (b"*2\r\n$3\r\nGET\r\n$16385\r\n",),
    "too large a name": (b"*1\r\n$100000\r\n",),
    "too large, afterwards": (AUTH, (b"SET", b"k", LARGE), (b"STRLEN", b"k")),
    "too large, behind others": (PING, b"*2\r\n$4\r\nAUTH\r\n$16385\r\n"),
    "no request": (b"*1\r\n:1\r\n",),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",),
}

REFUSED = {name for name, parts in DIALOGS.items() if isinstance(parts[-1], bytes)} - {
    "inline",
    "many, inline",
}
"""The connection is closed without QUIT."""


@pytest.mark.parametrize("name", DIALOGS)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_it_is_answered_as_redis_does(
    ours: RunningSidecar, theirs: int, name: str, *, at_once: bool
) -> None:
    answers = []
    for port in (ours.resp_port, theirs):
        parts = DIALOGS[name] if name in REFUSED else (*DIALOGS[name], QUIT)
        if at_once:
            answers.append(until_closed(port, sent(*parts)))
        else:
            with Wire(port) as wire:
                for part in parts:
                    try:
                        wire.send(sent(part))
                    except OSError:  # it has been closed already
                        break
                    wire.pause()
                answers.append(wire.rest())
    assert answers[0] == as_worded(answers[1])


@pytest.mark.parametrize("protocol", [b"2", b"3"])
def test_hello_authenticates_in_both_protocols(
    ours: RunningSidecar, theirs: int, protocol: bytes
) -> None:
    """Nulls and maps are those of the protocol afterwards."""
    answers = []
    for port in (ours.resp_port, theirs):
        with Wire(port) as wire:
            hello = wire.ask((b"HELLO", protocol, b"AUTH", b"default", TOKEN, b"SETNAME", b"me"))
            rest = wire.ask((b"DEL", b"k"), GET, (b"CLIENT", b"GETNAME"), SET, GET)
            refused = wire.ask((b"AUTH", b"x"), (b"RESET",), (b"HELLO", protocol), GET)
        answers.append((hello[:4], rest, as_worded(refused)))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("name", sorted(name for name in ALL if name not in OPEN))
def test_no_other_command_is_open(ours: RunningSidecar, name: str) -> None:
    """None of its parts, whatever the arguments; with a number of them that it takes, for lack of
    the token.
    """
    parts = [f"{name} {part}" for part in ALL[name].parts or ()] or [name]
    with Wire(ours.resp_port) as wire:
        for part in parts:
            said = [wire.ask((*part.encode().split(), *[b"1"] * count)) for count in range(7)]
            assert all(each.startswith((b"-ERR ", ABORTED, *NO_AUTH)) for each in said), part
            assert any(each.startswith(NO_AUTH) for each in said), part


def test_one_that_has_authenticated_stays_so(start_sidecar: StartSidecar, tmp_path: Path) -> None:
    """After the token was replaced, as in Redis; a new one needs the new one."""
    path = tmp_path / "token"
    path.write_bytes(TOKEN)
    sidecar = start_sidecar("--token-file", str(path))
    with Wire(sidecar.resp_port) as before, Wire(sidecar.resp_port) as late:
        assert before.ask(AUTH, SET) == b"+OK\r\n+OK\r\n"
        path.write_bytes(b"another")
        wait_until(lambda: accepts(sidecar, b"another"), "the new token is in force")
        assert before.ask(GET) == b"$1\r\nv\r\n"
        assert late.ask(AUTH, GET).startswith(b"-WRONGPASS")
        assert not accepts(sidecar, TOKEN)


def accepts(sidecar: RunningSidecar, token: bytes) -> bool:
    with Wire(sidecar.resp_port) as wire:
        return wire.ask((b"AUTH", token)) == b"+OK\r\n"


def test_without_a_token_auth_is_an_error(start_sidecar: StartSidecar, tmp_path: Path) -> None:
    """And large requests are no strangers'."""
    sidecar = start_sidecar()
    with redis(tmp_path) as port:
        dialog = sent(AUTH, (b"AUTH", b"default", b"x"), (b"AUTH", b"me", b"x"), MANY, GET, QUIT)
        answers = [until_closed(each, dialog) for each in (sidecar.resp_port, port)]
    assert answers[0] == answers[1]
    assert answers[0].startswith(b"-ERR AUTH <password> called without any password configured")


def test_the_limits_of_strangers_hold_in_any_pieces(ours: RunningSidecar) -> None:
    """For each argument, after as much as may be."""
    with Wire(ours.resp_port) as wire:
        wire.send(begun := b"*10\r\n" + b"".join([b"$16384\r\n%b\r\n" % LARGE[1:]] * 9))
        wire.pause()
        wire.send(b"$16385\r\n")
        assert wire.rest() == b"-ERR Protocol error: unauthenticated bulk length\r\n"
    with Wire(ours.resp_port) as wire:
        wire.send(begun + b"$1\r\nx\r\n" + encoded(QUIT))
        assert wire.rest().endswith(b"+OK\r\n")


@pytest.mark.parametrize("command", [MANY, (b"GET", LARGE)], ids=["many", "large"])
@pytest.mark.parametrize("before", [PING, (b"AUTH", b"x"), (b"RESET",)], ids=lambda each: each[0])
def test_they_hold_for_whole_requests_too(
    ours: RunningSidecar, before: tuple[bytes, ...], command: tuple[bytes, ...]
) -> None:
    """Which come in one piece, after others were answered; also after RESET."""
    with Wire(ours.resp_port) as wire:
        if before == (b"RESET",):
            assert wire.ask(AUTH, PING) == b"+OK\r\n+PONG\r\n"
        wire.ask(before)
        wire.send(encoded(command))
        assert wire.rest().startswith(b"-ERR Protocol error: unauthenticated ")


async def test_an_idle_stranger_has_begun_no_request(tmp_path: Path) -> None:
    """So it is not closed for being slow. Its requests are those of all others afterwards."""
    async with serving(tmp_path, token=Token(TOKEN)) as served:
        dialog = await served.connect()
        assert (await dialog.raw("ping")).startswith(b"-NOAUTH")
        [client] = served.service.clients.values()
        assert isinstance(client, Client)
        assert not client.has_half_a_request
        assert not client.is_plain
        assert await dialog("auth", TOKEN) == b"OK"
        assert client.is_plain
        assert client._partial is None, "the fast path would not be taken"
        assert await dialog("set", "k", "v") == b"OK"
        assert await dialog("get", "k") == b"v"
        await dialog.close()


def test_refusals_are_counted(ours: RunningSidecar) -> None:
    """As rejected, by the command."""
    counter = 'cache_sidecar_requests_total{operation="getex",protocol="resp",result="rejected"}'
    before = ours.metrics().get(counter, 0)
    with Wire(ours.resp_port) as wire:
        wire.ask((b"GETEX", b"k"), (b"GETEX", b"k"))
    assert ours.metrics()[counter] == before + 2
