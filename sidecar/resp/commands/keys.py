"""Commands of keys, whatever their values: deletion, lives, names."""

from __future__ import annotations

from sidecar.api.integers import integer_or_none
from sidecar.resp.call import Call, checked
from sidecar.resp.command import ALL_KEYS, ONE_KEY, TWO_KEYS, Command, Keys, Reply, container
from sidecar.resp.databases import database_of, prefix_of
from sidecar.resp.errors import NO_SUCH_KEY, RespError, shown
from sidecar.resp.lives import when_of
from sidecar.resp.replies import OK, ONE, ZERO, bulk, integer, null, simple
from sidecar.resp.times import NEVER, milliseconds_of
from sidecar.tiers.memory import cost_of

MISSING, ENDLESS = -2, -1
EMBEDDED_BYTES = 44
"""Redis keeps shorter strings within their object."""


def delete(call: Call) -> Reply:
    outcomes = [call.versions.delete(key) for key in dict.fromkeys(call.full_keys())]
    return lambda: integer(sum(has_replaced() for has_replaced in outcomes))


def exists(call: Call) -> Reply:
    return integer(sum(call.versions.get(key) is not None for key in call.full_keys()))


def type_(call: Call) -> Reply:
    return simple(b"none" if call.get() is None else b"string")


# ---- lives


def expire(call: Call) -> Reply:
    name = call.command.name
    unit_ms = 1 if name.startswith("p") else 1000
    flags = _expire_flags(call)
    when = when_of(call, call.integer(2), unit_ms, is_relative=not name.endswith("at"))
    version = call.get()
    if version is None:
        call.versions.redate_unseen(call.key(), when / 1000)
        return ZERO
    current = milliseconds_of(version.entry.expires_at)
    if (
        (b"nx" in flags and current is not None)
        or (b"xx" in flags and current is None)
        or (b"gt" in flags and (current is None or when <= current))
        or (b"lt" in flags and current is not None and when >= current)
    ):
        return ZERO
    call.versions.redate(version.entry, when / 1000)
    return ONE


def _expire_flags(call: Call) -> set[bytes]:
    """Raises RespError."""
    flags = set()
    for argument in call.arguments[3:]:
        if argument.lower() not in {b"nx", b"xx", b"gt", b"lt"}:
            raise RespError(f"ERR Unsupported option {shown(argument)}")
        flags.add(argument.lower())
    if b"nx" in flags and len(flags) > 1:
        raise RespError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if {b"gt", b"lt"} <= flags:
        raise RespError("ERR GT and LT options at the same time are not compatible")
    return flags


def ttl(call: Call) -> Reply:
    """Of TTL, PTTL, EXPIRETIME and PEXPIRETIME."""
    name = call.command.name
    version = call.get()
    if version is None:
        return integer(MISSING)
    when = milliseconds_of(version.entry.expires_at)
    if when is None:
        return integer(ENDLESS)
    if name.endswith("ttl"):
        when = max(0, when - call.now_ms())
    return integer(when if name.startswith("p") else (when + 500) // 1000)


def persist(call: Call) -> Reply:
    version = call.get()
    if version is None or version.entry.expires_at == NEVER:
        return ZERO
    call.versions.redate(version.entry, NEVER)
    return ONE


# ---- names


def rename(call: Call) -> Reply:
    only_new = call.command.name == "renamenx"
    source, target = call.key(1), call.key(2)
    version = call.versions.get(source)
    if version is None:
        raise RespError(NO_SUCH_KEY)
    if source == target:
        return ZERO if only_new else OK
    if only_new and call.versions.get(target) is not None:
        return ZERO
    with call.versions.together():
        call.versions.copy(target, version)
        call.versions.delete(source)
    return ONE if only_new else OK


def copy(call: Call) -> Reply:
    source, target, replace = _copied(call)
    if source == target:
        raise RespError("ERR source and destination objects are the same")
    version = call.versions.get(source)
    if version is None or (not replace and call.versions.get(target) is not None):
        return ZERO
    call.versions.copy(target, version)
    return ONE


def _copied(call: Call) -> tuple[bytes, bytes, bool]:
    """The full keys of the source and the target, and whether that is replaced."""
    prefix, replace = call.client.prefix, False
    index = 3
    while index < len(call.arguments):
        word = call.word(index)
        if word == b"replace":
            replace = True
        elif word == b"db" and index + 1 < len(call.arguments):
            index += 1
            prefix = prefix_of(database_of(call.arguments[index]))
        else:
            call.wrong_syntax()
        index += 1
    return call.key(1), checked(prefix, call.arguments[2]), replace


def copy_keys(call: Call) -> list[bytes]:
    """The keys that COPY looks up, one of which may be in another database."""
    return list(_copied(call)[:2])


# ---- what is known of a value


def encoding(call: Call) -> Reply:
    version = call.get(2)
    if version is None:
        return null(call.protocol)
    value = version.value
    if integer_or_none(value) is not None:
        return bulk(b"int")
    return bulk(b"embstr" if len(value) <= EMBEDDED_BYTES else b"raw")


def frequency(call: Call) -> Reply:
    if call.get(2) is None:
        return null(call.protocol)
    raise RespError(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
        "that when switching between policies at runtime LRU and LFU data will take some time to "
        "adjust."
    )


def idle_seconds(call: Call) -> Reply:
    """Since it was written: that it was read is not noted."""
    version = call.get(2)
    if version is None:
        return null(call.protocol)
    return integer(max(0, int(call.client.clock() - version.entry.created_at)))


def usage(call: Call) -> Reply:
    if len(call.arguments) not in {3, 5}:
        call.wrong_syntax()
    if len(call.arguments) == 5:
        if call.word(3) != b"samples":
            call.wrong_syntax()
        if call.integer(4) < 0:
            call.wrong_syntax()
    version = call.get(2)
    if version is None:
        return null(call.protocol)
    return integer(cost_of(version.entry.key, version.value, version.entry.terms))


READ = frozenset({"readonly", "fast"})
WRITE = frozenset({"write", "fast"})
SECOND = Keys(2, 2, 1)

COMMANDS = (
    Command("del", -2, delete, ALL_KEYS, writes=True, flags=frozenset({"write"})),
    Command("unlink", -2, delete, ALL_KEYS, writes=True, flags=WRITE),
    Command("exists", -2, exists, ALL_KEYS, reads=True, flags=READ),
    Command("touch", -2, exists, ALL_KEYS, reads=True, flags=READ),
    Command("type", 2, type_, ONE_KEY, reads=True, flags=READ),
    *(
        Command(name, -3, expire, ONE_KEY, reads=True, writes=True, flags=WRITE)
        for name in ("expire", "pexpire", "expireat", "pexpireat")
    ),
    *(
        Command(name, 2, ttl, ONE_KEY, reads=True, flags=READ)
        for name in ("ttl", "pttl", "expiretime", "pexpiretime")
    ),
    Command("persist", 2, persist, ONE_KEY, reads=True, writes=True, flags=WRITE),
    Command("rename", 3, rename, TWO_KEYS, reads=True, writes=True, flags=frozenset({"write"})),
    Command("renamenx", 3, rename, TWO_KEYS, reads=True, writes=True, flags=WRITE),
    Command(
        "copy",
        -3,
        copy,
        TWO_KEYS,
        reads=True,
        writes=True,
        flags=frozenset({"write", "denyoom"}),
        looked_up=copy_keys,
    ),
    container(
        "object",
        Command("object|encoding", 3, encoding, SECOND, reads=True, flags=frozenset({"readonly"})),
        Command("object|freq", 3, frequency, SECOND, reads=True, flags=frozenset({"readonly"})),
        Command(
            "object|idletime", 3, idle_seconds, SECOND, reads=True, flags=frozenset({"readonly"})
        ),
    ),
    container(
        "memory",
        Command("memory|usage", -3, usage, SECOND, reads=True, flags=frozenset({"readonly"})),
    ),
)
