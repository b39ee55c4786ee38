"""Commands of the connection: its database, its protocol, its authentication."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.api.integers import integer_or_none
from sidecar.resp.call import Call
from sidecar.resp.client_names import UNPRINTABLE, is_printable
from sidecar.resp.command import Command, Reply
from sidecar.resp.databases import selected
from sidecar.resp.errors import SYNTAX, RespError, shown
from sidecar.resp.replies import EMPTY, OK, array, bulk, integer, map_of, simple
from sidecar.resp.versioned import REDIS_VERSION

if TYPE_CHECKING:
    pass

DEFAULT_USER = b"default"


def ping(call: Call) -> Reply:
    if len(call.arguments) > 2:
        call.wrong_arity()
    if call.client.is_subscribed_only:
        return array([bulk(b"pong"), bulk(b"".join(call.arguments[1:]))])
    return bulk(call.arguments[1]) if len(call.arguments) == 2 else simple(b"PONG")


def echo(call: Call) -> Reply:
    return bulk(call.arguments[1])


def quit_(call: Call) -> Reply:
    call.client.ends = True
    return OK


def reset(call: Call) -> Reply:
    client, service = call.client, call.service
    client.end_transaction()
    service.channels.leave(client)
    service.tracker.stop(client)
    client.begin(needs_token=service.token is not None)
    return simple(b"RESET")


def select(call: Call) -> Reply:
    call.client.prefix = selected(call.arguments[1]) + b"/"
    return OK


def auth(call: Call) -> Reply:
    if len(call.arguments) > 3:
        raise RespError(SYNTAX)
    if len(call.arguments) == 2 and call.service.token is None:
        raise RespError(
            "ERR AUTH <password> called without any password configured for the default user. Are "
            "you sure your configuration is correct?"
        )
    user = call.arguments[1] if len(call.arguments) == 3 else DEFAULT_USER
    _authenticate(call, user, call.arguments[-1])
    return OK


def _authenticate(call: Call, user: bytes, password: bytes) -> None:
    """Raises RespError. Without a token, the default user has any password, as in Redis."""
    client, token = call.client, call.service.token
    if user != DEFAULT_USER or (token is not None and not token.matches(password)):
        raise RespError("WRONGPASS invalid username-password pair or user is disabled.")
    client.is_authenticated = True
    client.note_state()


def hello(call: Call) -> Reply:
    client, arguments = call.client, call.arguments
    protocol, index = client.protocol, 1
    if len(arguments) > 1:
        number = integer_or_none(arguments[1])
        if number is None:
            raise RespError("ERR Protocol version is not an integer or out of range")
        if number not in {2, 3}:
            raise RespError("NOPROTO unsupported protocol version")
        protocol, index = number, 2
    credentials: tuple[bytes, bytes] | None = None
    name: bytes | None = None
    while index < len(arguments):
        word, left = call.word(index), len(arguments) - index - 1
        if word == b"auth" and left >= 2:
            credentials = arguments[index + 1], arguments[index + 2]
            index += 3
        elif word == b"setname" and left >= 1:
            name = arguments[index + 1]
            if not is_printable(name):
                raise RespError(UNPRINTABLE)
            index += 2
        else:
            raise RespError(f"ERR Syntax error in HELLO option '{shown(arguments[index])}'")
    if credentials is not None:
        _authenticate(call, *credentials)
    if not client.is_authenticated:
        raise RespError(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
            "HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and "
            "select the RESP protocol version at the same time"
        )
    if name is not None:
        client.name = name
    client.protocol = protocol
    client.note_state()
    fields = (
        (b"server", bulk(b"redis")),
        (b"version", bulk(REDIS_VERSION)),
        (b"proto", integer(protocol)),
        (b"id", integer(client.id)),
        (b"mode", bulk(b"standalone")),
        (b"role", bulk(b"master")),
        (b"modules", EMPTY),
    )
    return map_of(protocol, ((bulk(name), value) for name, value in fields))


HERE = frozenset({"noscript", "loading", "stale", "fast"})
BEFORE_AUTH = HERE | {"no_auth"}

COMMANDS = (
    Command("ping", -1, ping, flags=frozenset({"fast"})),
    Command("echo", 2, echo, flags=frozenset({"fast", "loading", "stale"})),
    Command("quit", -1, quit_, flags=BEFORE_AUTH | {"immediate"}),
    Command("reset", 1, reset, flags=BEFORE_AUTH | {"immediate"}),
    Command("select", 2, select, flags=frozenset({"loading", "stale", "fast"})),
    Command("auth", -2, auth, flags=BEFORE_AUTH),
    Command("hello", -1, hello, flags=BEFORE_AUTH),
)
