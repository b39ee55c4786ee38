"""Commands of values: GET, SET and their kin."""

from __future__ import annotations

from fractions import Fraction

from sidecar.api.integers import LEAST, MOST
from sidecar.resp.call import Call
from sidecar.resp.command import ALL_KEYS, ONE_KEY, PAIRS, Command, Reply
from sidecar.resp.errors import OVERFLOW, TOO_LONG, RespError
from sidecar.resp.lives import expiry_of, options_of
from sidecar.resp.numbers import float_of, integer_of, sum_of, text_of
from sidecar.resp.replies import OK, ONE, ZERO, array, bulk, integer, null
from sidecar.resp.times import NEVER

SET_OPTIONS = frozenset({b"ex", b"px", b"exat", b"pxat", b"nx", b"xx", b"get", b"keepttl"})
GETEX_OPTIONS = frozenset({b"ex", b"px", b"exat", b"pxat", b"persist"})


def get(call: Call) -> Reply:
    version = call.get()
    return null(call.protocol) if version is None else call.bulk(version.value)


def set_(call: Call) -> Reply:
    options = options_of(call, 3, SET_OPTIONS)
    key = call.key()
    expires_at = options.expires_at(call) if options.option else call.versions.unstated(key)
    reads = options.nx or options.xx or options.get or options.keep
    old = call.versions.get(key) if reads else None
    reply = null(call.protocol) if old is None else call.bulk(old.value)
    if (options.nx and old is not None) or (options.xx and old is None):
        return reply if options.get else null(call.protocol)
    if options.keep and old is not None:
        call.versions.put_in_place_of(old, call.arguments[2])
    else:
        call.versions.put(key, call.arguments[2], expires_at)
    return reply if options.get else OK


def set_reads(arguments: list[bytes]) -> bool:
    """Whether this SET depends on the version in force."""
    return any(word.lower() in {b"nx", b"xx", b"get", b"keepttl"} for word in arguments[3:])


def setnx(call: Call) -> Reply:
    if call.get() is not None:
        return ZERO
    call.versions.put(call.key(), call.arguments[2], call.versions.unstated(call.key()))
    return ONE


def setex(call: Call) -> Reply:
    unit_ms = 1000 if call.command.name == "setex" else 1
    expires_at = expiry_of(call, call.integer(2), unit_ms, is_relative=True)
    call.versions.put(call.key(), call.arguments[3], expires_at)
    return OK


def getset(call: Call) -> Reply:
    reply = get(call)
    call.versions.put(call.key(), call.arguments[2], call.versions.unstated(call.key()))
    return reply


def getdel(call: Call) -> Reply:
    reply = get(call)
    if call.versions.may_be_found(call.key()):
        call.versions.delete(call.key())
    return reply


def getex(call: Call) -> Reply:
    options = options_of(call, 2, GETEX_OPTIONS)
    version = call.get()
    if version is None:
        if options.option and call.versions.may_be_found(call.key()):
            call.versions.redate_unseen(call.key(), options.expires_at(call))
        return null(call.protocol)
    if options.option:
        call.versions.redate(version.entry, options.expires_at(call))
    elif options.persist and version.entry.expires_at != NEVER:
        call.versions.redate(version.entry, NEVER)
    return call.bulk(version.value)


def mget(call: Call) -> Reply:
    absent = null(call.protocol)
    versions = [call.versions.get(key) for key in call.full_keys()]
    return array([absent if each is None else call.bulk(each.value) for each in versions])


def mset(call: Call) -> Reply:
    if not len(call.arguments) % 2:
        call.wrong_arity()
    pairs = zip(call.full_keys(), call.arguments[2::2], strict=True)
    with call.versions.together():
        for key, value in pairs:
            call.versions.put(key, value, call.versions.unstated(key))
    return OK


def msetnx(call: Call) -> Reply:
    if not len(call.arguments) % 2:
        call.wrong_arity()
    if any(call.versions.get(key) is not None for key in call.full_keys()):
        return ZERO
    mset(call)
    return ONE


# ---- numbers


def incr(call: Call) -> Reply:
    return _add(call, 1 if call.command.name == "incr" else -1)


def incrby(call: Call) -> Reply:
    number = call.integer(2)
    if call.command.name == "decrby":
        if number == LEAST:
            raise RespError("ERR decrement would overflow")
        number = -number
    return _add(call, number)


def incrbyfloat(call: Call) -> Reply:
    version = call.get()
    old = Fraction(0) if version is None else float_of(version.value)
    change = float_of(call.arguments[2])
    new = None if old is None or change is None else sum_of(old, change)
    if new is None:
        raise RespError("ERR increment would produce NaN or Infinity")
    text = text_of(new)
    call.versions.revise(call.key(), text, version)
    return bulk(text)


def _add(call: Call, change: int) -> Reply:
    version = call.get()
    number = change if version is None else integer_of(version.value) + change
    if not LEAST <= number <= MOST:
        raise RespError(OVERFLOW)
    call.versions.revise(call.key(), b"%d" % number, version)
    return integer(number)


# ---- parts of values


def append(call: Call) -> Reply:
    version = call.get()
    old = b"" if version is None else version.value
    return _replace(call, old + call.arguments[2])


def strlen(call: Call) -> Reply:
    version = call.get()
    return integer(0 if version is None else len(version.value))


def getrange(call: Call) -> Reply:
    start, end = call.integer(2), call.integer(3)
    version = call.get()
    value = b"" if version is None else version.value
    if start < 0 and end < 0 and start > end:
        return bulk(b"")
    length = len(value)
    start = max(0, start + length if start < 0 else start)
    end = max(0, end + length if end < 0 else end)
    return call.bulk(value[start : end + 1])


def setrange(call: Call) -> Reply:
    offset, part = call.integer(2), call.arguments[3]
    if offset < 0:
        raise RespError("ERR offset is out of range")
    version = call.get()
    old = b"" if version is None else version.value
    if not part:
        return integer(len(old))
    if offset + len(part) > call.client.most_value_bytes:
        raise RespError(TOO_LONG)
    begin = old[:offset].ljust(offset, b"\0")
    return _replace(call, begin + part + old[offset + len(part) :])


def _replace(call: Call, value: bytes) -> Reply:
    """Put another value; it lives as long as the old one."""
    if len(value) > call.client.most_value_bytes:
        raise RespError(TOO_LONG)
    version = call.get()
    call.versions.revise(call.key(), value, version)
    return integer(len(value))


READ = frozenset({"readonly", "fast"})
READ_SLOWLY = frozenset({"readonly"})
WRITE = frozenset({"write", "denyoom", "fast"})
WRITE_SLOWLY = frozenset({"write", "denyoom"})

COMMANDS = (
    Command("get", 2, get, ONE_KEY, reads=True, flags=READ),
    Command("set", -3, set_, ONE_KEY, writes=True, flags=WRITE_SLOWLY, depends=set_reads),
    Command("setnx", 3, setnx, ONE_KEY, reads=True, writes=True, flags=WRITE),
    Command("setex", 4, setex, ONE_KEY, writes=True, flags=WRITE_SLOWLY),
    Command("psetex", 4, setex, ONE_KEY, writes=True, flags=WRITE_SLOWLY),
    Command("getset", 3, getset, ONE_KEY, reads=True, writes=True, flags=WRITE),
    Command(
        "getdel", 2, getdel, ONE_KEY, reads=True, writes=True, flags=frozenset({"write", "fast"})
    ),
    Command(
        "getex", -2, getex, ONE_KEY, reads=True, writes=True, flags=frozenset({"write", "fast"})
    ),
    Command("mget", -2, mget, ALL_KEYS, reads=True, flags=READ),
    Command("mset", -3, mset, PAIRS, writes=True, flags=WRITE_SLOWLY),
    Command("msetnx", -3, msetnx, PAIRS, reads=True, writes=True, flags=WRITE_SLOWLY),
    Command("incr", 2, incr, ONE_KEY, reads=True, writes=True, flags=WRITE),
    Command("decr", 2, incr, ONE_KEY, reads=True, writes=True, flags=WRITE),
    Command("incrby", 3, incrby, ONE_KEY, reads=True, writes=True, flags=WRITE),
    Command("decrby", 3, incrby, ONE_KEY, reads=True, writes=True, flags=WRITE),
    Command("incrbyfloat", 3, incrbyfloat, ONE_KEY, reads=True, writes=True, flags=WRITE),
    Command("append", 3, append, ONE_KEY, reads=True, writes=True, flags=WRITE),
    Command("strlen", 2, strlen, ONE_KEY, reads=True, flags=READ),
    Command("getrange", 4, getrange, ONE_KEY, reads=True, flags=READ_SLOWLY),
    Command("substr", 4, getrange, ONE_KEY, reads=True, flags=READ_SLOWLY),
    Command("setrange", 4, setrange, ONE_KEY, reads=True, writes=True, flags=WRITE_SLOWLY),
)
