"""CLIENT: what is known of clients, and what one may ask for itself."""

from __future__ import annotations

from sidecar.api.integers import integer_or_none
from sidecar.resp.call import Call
from sidecar.resp.client_names import UNPRINTABLE, is_printable
from sidecar.resp.command import Command, Reply, container
from sidecar.resp.commands.tracking import OF_CLIENT
from sidecar.resp.errors import RespError, shown
from sidecar.resp.replies import OK, bulk, integer, null, verbatim
from sidecar.resp.session import Session

USER = b"default"
CLIENT_TYPES = frozenset({b"normal", b"master", b"replica", b"slave", b"pubsub"})


def client_id(call: Call) -> Reply:
    return integer(call.client.id)


def getname(call: Call) -> Reply:
    name = call.client.name
    return bulk(name) if name else null(call.protocol)


def setname(call: Call) -> Reply:
    name = call.arguments[2]
    if not is_printable(name):
        raise RespError(UNPRINTABLE)
    call.client.name = name
    return OK


def setinfo(call: Call) -> Reply:
    option, value = call.word(2), call.arguments[3]
    if option not in {b"lib-name", b"lib-ver"}:
        raise RespError(f"ERR Unrecognized option '{shown(call.arguments[2])}'")
    if not is_printable(value):
        raise RespError(
            f"ERR {option.decode()} cannot contain spaces, newlines or special characters."
        )
    if option == b"lib-name":
        call.client.library = value
    else:
        call.client.library_version = value
    return OK


def described(client: Session) -> bytes:
    """A line of CLIENT LIST."""
    now = client.clock()
    address, local, descriptor = client.link.describe()
    number = client.namespace.removeprefix(b"db").decode()
    fields = {
        "id": client.id,
        "addr": address,
        "laddr": local,
        "fd": descriptor,
        "name": client.name.decode(),
        "age": int(now - client.created_at),
        "idle": int(now - client.active_at),
        "flags": _flags(client),
        "db": number,
        "sub": 0 if client.subscribed is None else len(client.subscribed.channels),
        "psub": 0 if client.subscribed is None else len(client.subscribed.patterns),
        "ssub": 0,
        "multi": -1 if client.transaction is None else len(client.transaction.commands),
        "qbuf": 0,
        "qbuf-free": 0,
        "argv-mem": 0,
        "multi-mem": 0,
        "obl": 0,
        "oll": 0,
        "omem": 0,
        "tot-mem": 0,
        "events": "r",
        "cmd": client.last_command,
        "user": "default",
        "redir": -1 if client.tracking is None else client.tracking.redirect,
        "resp": client.protocol,
        "lib-name": client.library.decode(),
        "lib-ver": client.library_version.decode(),
    }
    return " ".join(f"{name}={value}" for name, value in fields.items()).encode()


def _flags(client: Session) -> str:
    tracking = client.tracking
    flags = {
        "P": client.subscribed is not None,
        "x": client.transaction is not None,
        "t": tracking is not None,
        "R": tracking is not None and tracking.is_broken,
        "B": tracking is not None and tracking.is_broadcast,
    }
    return "".join(flag for flag, holds in flags.items() if holds) or "N"


def _type_of(client: Session) -> str:
    return "normal" if client.subscribed is None else "pubsub"


def info(call: Call) -> Reply:
    return verbatim(call.protocol, described(call.client) + b"\n")


def list_(call: Call) -> Reply:
    clients = list(call.service.clients.values())
    arguments = call.arguments[2:]
    if arguments and call.word(2) == b"id" and len(arguments) > 1:
        wanted = set()
        for each in arguments[1:]:
            number = integer_or_none(each)
            if number is None:
                raise RespError("ERR Invalid client ID")
            wanted.add(number)
        clients = [client for client in clients if client.id in wanted]
    elif len(arguments) == 2 and call.word(2) == b"type":
        _check_type(arguments[1])
        clients = [client for client in clients if _type_of(client).encode() == call.word(3)]
    elif arguments:
        call.wrong_syntax()
    return verbatim(call.protocol, b"".join(described(each) + b"\n" for each in clients))


def kill(call: Call) -> Reply:
    arguments = call.arguments[2:]
    if len(arguments) == 1:
        killed = _kill(call, {b"addr": arguments[0].decode(errors="replace")}, skips_self=False)
        if not killed:
            raise RespError("ERR No such client")
        return OK
    if len(arguments) % 2:
        call.wrong_syntax()
    skips_self, wanted = True, {}
    for name, value in zip(arguments[::2], arguments[1::2], strict=True):
        if name.lower() == b"skipme":
            if value.lower() not in {b"yes", b"no"}:
                call.wrong_syntax()
            skips_self = value.lower() == b"yes"
        else:
            wanted[name.lower()] = _wanted(call, name.lower(), value)
    return integer(_kill(call, wanted, skips_self=skips_self))


def _wanted(call: Call, name: bytes, value: bytes) -> str:
    """The value of a filter of CLIENT KILL. Raises RespError."""
    if name not in {b"id", b"type", b"user", b"addr", b"laddr"}:
        call.wrong_syntax()
    if name == b"id":
        number = integer_or_none(value) or 0
        if number <= 0:
            raise RespError("ERR client-id should be greater than 0")
        return str(number)
    if name == b"type":
        _check_type(value)
        return value.lower().decode()
    if name == b"user" and value != USER:
        raise RespError(f"ERR No such user '{shown(value)}'")
    return value.decode(errors="replace")


def _check_type(kind: bytes) -> None:
    """Raises RespError."""
    if kind.lower() not in CLIENT_TYPES:
        raise RespError(f"ERR Unknown client type '{shown(kind)}'")


def _kill(call: Call, wanted: dict[bytes, str], *, skips_self: bool) -> int:
    """Close the clients that match; returns how many."""
    killed = 0
    for client in list(call.service.clients.values()):
        address, local, _ = client.link.describe()
        known = {
            b"id": str(client.id),
            b"addr": address,
            b"laddr": local,
            b"type": _type_of(client),
            b"user": "default",
        }
        if skips_self and client is call.client:
            continue
        if all(known[name] == value for name, value in wanted.items()):
            client.kill(by=call.client)
            killed += 1
    return killed


def switched(call: Call) -> Reply:
    """NO-EVICT and NO-TOUCH, which change nothing here: no client is evicted."""
    if call.word(2) not in {b"on", b"off"}:
        call.wrong_syntax()
    return OK


def reply_mode(call: Call) -> Reply:
    client, mode = call.client, call.word(2)
    if mode not in {b"on", b"off", b"skip"}:
        call.wrong_syntax()
    if mode == b"skip":
        client.skip_next()
        return b""
    client.replies = mode == b"on"
    client.skips = 0
    client.note_state()
    return OK if client.replies else b""


HERE = frozenset({"noscript", "loading", "stale", "fast"})

COMMANDS = (
    container(
        "client",
        Command("client|id", 2, client_id, flags=HERE),
        Command("client|getname", 2, getname, flags=HERE),
        Command("client|setname", 3, setname, flags=HERE),
        Command("client|setinfo", 4, setinfo, flags=HERE),
        Command("client|info", 2, info, flags=HERE),
        Command("client|list", -2, list_, flags=HERE),
        Command("client|kill", -3, kill, flags=HERE),
        Command("client|no-evict", 3, switched, flags=HERE),
        Command("client|no-touch", 3, switched, flags=HERE),
        Command("client|reply", 3, reply_mode, flags=HERE),
        *OF_CLIENT,
    ),
)
