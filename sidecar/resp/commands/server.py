"""Commands of the server: what it is, what it does, what it has saved."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from sidecar.api.integers import integer_or_none
from sidecar.model.errors import WriteError
from sidecar.resp.call import Call
from sidecar.resp.command import Command, Reply, container
from sidecar.resp.commands.keyspace import SAMPLE, listed
from sidecar.resp.databases import DATABASES
from sidecar.resp.errors import RespError
from sidecar.resp.info import KEYSPACE, most_bytes, policy_of, sections_of, text_of
from sidecar.resp.patterns import check_together, matcher
from sidecar.resp.replies import EMPTY, OK, ZERO, array, bulk, integer, map_of, simple, verbatim

if TYPE_CHECKING:
    from sidecar.resp.service import Service

KEYSPACE_PAGES = 40
"""As many as SAMPLE keys take."""
NOT_SET_HERE = (
    "ERR CONFIG SET failed (possibly related to argument '{}') - settings are those of the "
    "configuration document and of the process; change them there"
)
NOT_REWRITTEN = (
    "ERR The server is running without a config file: its settings are those of the configuration "
    "document and of the process"
)


# ---- INFO


async def info_later(call: Call) -> bytes:
    """INFO with the number of keys, which has to be asked for. Without it while L3 is silent."""
    names = _sections(call)
    found = None
    if KEYSPACE in names:
        with suppress(WriteError, RespError):
            found = await listed(call, b"db", 0, limit=SAMPLE, most_pages=KEYSPACE_PAGES)
    return verbatim(call.protocol, text_of(call.service, names, found))


def info(call: Call) -> Reply:
    """In a transaction, which does not wait: no database is listed."""
    return verbatim(call.protocol, text_of(call.service, _sections(call), None))


def _sections(call: Call) -> list[str]:
    words = [each.lower().decode(errors="replace") for each in call.arguments[1:]]
    return sections_of(words)


# ---- CONFIG

_SETTINGS: dict[str, Callable[[Service], object]] = {
    "appendonly": lambda _: "no",
    "appendfsync": lambda _: "everysec",
    "bind": lambda _: "",
    "cluster-enabled": lambda _: "no",
    "databases": lambda _: DATABASES,
    "hz": lambda _: 10,
    "io-threads": lambda _: 1,
    "lazyfree-lazy-user-flush": lambda _: "yes",
    "maxclients": lambda service: service.admission.limits.connections,
    "maxmemory": most_bytes,
    "maxmemory-policy": policy_of,
    "notify-keyspace-events": lambda _: "",
    "proto-max-bulk-len": lambda service: service.store.config.max_value_bytes,
    "save": lambda _: "",
    "slowlog-log-slower-than": lambda _: -1,
    "slowlog-max-len": lambda _: 0,
    "tcp-keepalive": lambda _: 300,
    "timeout": lambda _: 0,
}


def config_get(call: Call) -> Reply:
    check_together(call.arguments[2:])
    patterns = [matcher(each.lower()) for each in call.arguments[2:]]
    service = call.service
    found = (
        (bulk(name.encode()), bulk(str(value(service)).encode()))
        for name, value in _SETTINGS.items()
        if any(pattern.fullmatch(name.encode()) for pattern in patterns)
    )
    return map_of(call.protocol, found)


def config_set(call: Call) -> Reply:
    shown = call.arguments[2].decode(errors="replace")
    if len(call.arguments) % 2:
        call.wrong_arity()
    if call.arguments[2].lower().decode(errors="replace") not in _SETTINGS:
        raise RespError(f"ERR Unknown option or number of arguments for CONFIG SET - '{shown}'")
    raise RespError(NOT_SET_HERE.format(shown))


def config_rewrite(_: Call) -> Reply:
    raise RespError(NOT_REWRITTEN)


def config_resetstat(call: Call) -> Reply:
    call.service.counts.reset()
    return OK


# ---- SAVE, and what else a server is asked


async def save(call: Call) -> bytes:
    await call.service.saves.save()
    return OK


def bgsave(call: Call) -> Reply:
    if len(call.arguments) > 2 or call.word(1) not in {b"", b"schedule"}:
        call.wrong_syntax()
    call.service.saves.begin()
    return simple(b"Background saving started")


def lastsave(call: Call) -> Reply:
    return integer(call.service.saves.last_at)


def time(call: Call) -> Reply:
    seconds, microseconds = divmod(int(call.client.clock() * 1e6), 1_000_000)
    return array([bulk(b"%d" % seconds), bulk(b"%d" % microseconds)])


def role(_: Call) -> Reply:
    return array([bulk(b"master"), ZERO, EMPTY])


def wait(call: Call) -> Reply:
    """No replica has anything, and since none will, nobody waits for one."""
    call.integer(1)
    timeout = integer_or_none(call.arguments[2])
    if timeout is None:
        raise RespError("ERR timeout is not an integer or out of range")
    if timeout < 0:
        raise RespError("ERR timeout is negative")
    return ZERO


ADMIN = frozenset({"admin", "noscript", "loading", "stale"})
HERE = frozenset({"loading", "stale"})

COMMANDS = (
    Command("info", -1, info, later=info_later, flags=HERE),
    container(
        "config",
        Command("config|get", -3, config_get, flags=ADMIN),
        Command("config|set", -4, config_set, flags=ADMIN),
        Command("config|rewrite", 2, config_rewrite, flags=ADMIN),
        Command("config|resetstat", 2, config_resetstat, flags=ADMIN),
    ),
    Command("save", 1, later=save, flags=ADMIN),
    Command("bgsave", -1, bgsave, flags=ADMIN),
    Command("lastsave", 1, lastsave, flags=HERE | {"fast"}),
    Command("time", 1, time, flags=HERE | {"fast"}),
    Command("role", 1, role, flags=HERE | {"noscript", "fast"}),
    Command("wait", 3, wait, flags=frozenset({"noscript"})),
)
