"""COMMAND: what clients may know of all commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sidecar.resp.call import Call
from sidecar.resp.command import Command, Reply, container
from sidecar.resp.errors import RespError
from sidecar.resp.patterns import matcher
from sidecar.resp.replies import (
    EMPTY,
    array,
    bulk,
    integer,
    map_of,
    null,
    set_of,
    simple,
)

DOCUMENTED_AT = "See https://valkey.io/commands/"
OWN = "cache."
DOCUMENTED_HERE = "See docs/redis.md of cache-sidecar, Commands of its own"


def all_(call: Call) -> Reply:
    return array([_described(each, call.protocol) for each in _commands(call).values()])


def count(call: Call) -> Reply:
    return integer(len(_commands(call)))


def info(call: Call) -> Reply:
    if len(call.arguments) == 2:
        return all_(call)
    found = [_find(call, name) for name in call.arguments[2:]]
    absent = null(call.protocol)
    return array([absent if each is None else _described(each, call.protocol) for each in found])


def docs(call: Call) -> Reply:
    protocol = call.protocol
    if len(call.arguments) == 2:
        wanted = list(_commands(call).values())
    else:
        found = (_find(call, name) for name in call.arguments[2:])
        wanted = [each for each in found if each is not None]
    return map_of(protocol, ((bulk(it.name.encode()), _documented(it, protocol)) for it in wanted))


def list_(call: Call) -> Reply:
    names = [each.name.encode() for each in _with_parts(_commands(call))]
    if len(call.arguments) == 2:
        return array([bulk(each) for each in names])
    kind = call.word(3) if call.word(2) == b"filterby" and len(call.arguments) == 5 else b""
    wanted = call.arguments[-1]
    if kind == b"pattern":
        matches = matcher(wanted).fullmatch
        names = [each for each in names if matches(each)]
    elif kind == b"aclcat":
        commands = _with_parts(_commands(call))
        names = [each.name.encode() for each in commands if wanted.lower() in _categories(each)]
    elif kind == b"module":
        names = []
    else:
        call.wrong_syntax()
    return array([bulk(each) for each in names])


def getkeys(call: Call) -> Reply:
    arguments = call.arguments[2:]
    try:
        command = call.service.find(arguments)
    except RespError:
        raise RespError("ERR Invalid command specified") from None
    if not command.takes(arguments):
        raise RespError("ERR Invalid number of arguments specified for command")
    try:
        keys = list(command.keys.of(arguments))
    except RespError:
        raise RespError("ERR Invalid arguments specified for command") from None
    if not keys and not command.looked_up:
        raise RespError("ERR The command has no key arguments")
    return array([bulk(key) for key in keys])


def _commands(call: Call) -> Mapping[str, Command]:
    return call.service.commands


def _find(call: Call, name: bytes) -> Command | None:
    """The command, or the part of it, of a name such as `client|id`."""
    whole, _, part = name.lower().decode(errors="replace").partition("|")
    command = _commands(call).get(whole)
    return command if command is None or not part else command.parts.get(part)


def _with_parts(commands: Mapping[str, Command]) -> Iterator[Command]:
    for command in commands.values():
        yield command
        yield from command.parts.values()


def _described(command: Command, protocol: int) -> bytes:
    keys = command.keys
    parts = [_described(each, protocol) for each in command.parts.values()]
    return array(
        [
            bulk(command.name.encode()),
            integer(command.arity),
            set_of(protocol, [simple(each.encode()) for each in sorted(command.flags)]),
            integer(keys.first),
            integer(keys.last),
            integer(keys.step),
            set_of(protocol, [simple(b"@" + each) for each in _categories(command)]),
            EMPTY,  # tips
            array(_key_specifications(command, protocol)),
            array(parts),
        ]
    )


def _key_specifications(command: Command, protocol: int) -> list[bytes]:
    keys = command.keys
    if not keys.first:
        return []
    flag = b"RW" if command.writes and command.reads else b"OW" if command.writes else b"RO"
    last = keys.last - keys.first if keys.last >= 0 else keys.last
    begin = _specification(protocol, b"index", index=keys.first)
    find = _specification(protocol, b"range", lastkey=last, keystep=keys.step, limit=0)
    fields = (
        (b"flags", set_of(protocol, [simple(flag)])),
        (b"begin_search", begin),
        (b"find_keys", find),
    )
    return [map_of(protocol, ((bulk(name), value) for name, value in fields))]


def _specification(protocol: int, kind: bytes, **numbers: int) -> bytes:
    pairs = ((bulk(name.encode()), integer(number)) for name, number in numbers.items())
    fields = ((bulk(b"type"), bulk(kind)), (bulk(b"spec"), map_of(protocol, pairs)))
    return map_of(protocol, fields)


def _categories(command: Command) -> list[bytes]:
    flags = command.flags
    found = [b"fast" if "fast" in flags else b"slow"]
    found += [b"read"] if "readonly" in flags else []
    found += [b"write"] if "write" in flags else []
    found += [b"admin", b"dangerous"] if "admin" in flags else []
    return found


def _documented(command: Command, protocol: int) -> bytes:
    is_own = command.name.startswith(OWN)
    page = DOCUMENTED_HERE if is_own else DOCUMENTED_AT + command.name.replace("|", "-")
    fields = [(bulk(b"summary"), bulk(page.encode()))]
    if command.parts:
        parts = (
            (bulk(each.name.encode()), _documented(each, protocol))
            for each in command.parts.values()
        )
        fields.append((bulk(b"subcommands"), map_of(protocol, parts)))
    return map_of(protocol, fields)


HERE = frozenset({"loading", "stale"})

COMMANDS = (
    container(
        "command",
        Command("command|count", 2, count, flags=HERE),
        Command("command|info", -2, info, flags=HERE),
        Command("command|docs", -2, docs, flags=HERE),
        Command("command|list", -2, list_, flags=HERE),
        Command("command|getkeys", -4, getkeys, flags=HERE),
        run=all_,
        flags=HERE,
    ),
)
